// What worker and agent host say to each other: one stream of JSON frames, one a line, both ways, checked on both sides.
// The bytes of a pack travel on a stream of their own, in the order in which the frames announce them. For the worker
// everything that comes from a host is a stranger's input: bounded, well-formed, and about this one session.
import { z } from 'zod';
import { askedSchema, decidedSchema } from '../core/asked-call.ts';
import { fileNameOf, MAX_FILES, sentFileSchema } from '../core/attachments.ts';
import { endedProgramSchema, MAX_ENDED_PROGRAMS } from '../core/ended-programs.ts';
import { parseTurnRequest } from '../core/messages.ts';
import { agentSchedulingSchema, scheduleOrdersSchema } from '../core/schedule-orders.ts';
import { deadPackSchema, storedGenerationSchema } from '../state/record.ts';
import { WHY_COLD, WHY_EVICTED } from './hot-reasons.ts';

/** Both sides come from the same package; a host of another build is refused. */
export const PROTOCOL_VERSION = 2;

/** Longest frame. A reply is far shorter; a turn's message, its context included, too. */
export const MAX_FRAME_BYTES = 8 * 1024 * 1024;
/** Everything that a turn may show while it runs, together; what is more is dropped. */
export const MAX_PROGRESS_BYTES = 32 * 1024 * 1024;

const text = (max: number) =>
  z
    .string()
    .max(max)
    .transform((value) => value.toWellFormed());

const modelSchema = z.object({
  baseUrl: z.string().optional(),
  apiKey: z.string().optional(),
  bedrock: z.record(z.string(), z.string()).optional(),
  /** Used when the agent folder names no model. */
  model: z.string().optional(),
  /** In place of the agent folder's. */
  use: z.string().optional(),
  demo: z.boolean(),
});

/** Of a file that the agent sends: the turn, the fence, its place. */
export const SENT_NAME = /^out-[0-9a-f]{12}-\d{1,16}-\d{1,6}$/;

const givenFileSchema = z.object({
  object: z.string().regex(/^in-[0-9a-f]{12}-\d{1,3}$/),
  name: z.string().refine((name) => fileNameOf(name) === name),
  mediaType: z.string().max(200),
  bytes: z.int().nonnegative(),
});

export const toHostSchema = z.discriminatedUnion('type', [
  /** Before the host knows its session. */
  z.object({
    type: z.literal('boot'),
    version: z.literal(PROTOCOL_VERSION),
    /** The agent folder, as the host sees it. */
    folder: z.string(),
    /** Packs that the worker has put there can be read, under their names. */
    incoming: z.string(),
    limits: z.object({ maxWorkspaceBytes: z.number(), maxWorkspaceFiles: z.number() }),
    language: z.string().optional(),
    path: z.string().optional(),
    /** `host`: this process is in one. */
    sandbox: z.enum(['host', 'seatbelt', 'none']),
    /** Without one: the owner said that it may be so. */
    accepted: z.boolean(),
    /** The worker's process namespace. In any other one every process but the host's own belongs to the turn. */
    outside: z.string().nullable(),
    /** How often the host says that it lives. */
    beatEveryMs: z.number().positive(),
  }),
  /** Lay the session out. A host gets one, ever. */
  z.object({
    type: z.literal('open'),
    tenant: z.string(),
    sessionId: z.string(),
    fence: z.int().nonnegative(),
    directory: z.object({ root: z.string(), config: z.string(), workspace: z.string() }),
    stored: storedGenerationSchema.nullable(),
    /** Where an agent stays in its place between two turns: under which conditions one that is there may go on. */
    hot: z
      .object({
        /** Of the head. */
        generation: z.int().nonnegative(),
        /** The worker's clock: a machine that stood still has none to be relied on. */
        nowMs: z.number(),
        idleMs: z.number().positive(),
        memoryBytes: z.number().positive(),
      })
      .optional(),
  }),
  z.object({
    type: z.literal('run'),
    resume: z.boolean(),
    continuing: z.boolean(),
    request: z.unknown().transform((value) => parseTurnRequest(value)),
    /** What came with the message; `object` is the name under which it is asked for, like a pack. */
    files: z.array(givenFileSchema).max(MAX_FILES).optional(),
    decided: decidedSchema.optional(),
    scheduling: agentSchedulingSchema.optional(),
    tries: z.int().positive(),
    /** Claude's own id of the conversation, where it is not the session's. */
    agentSessionId: z.string().optional(),
    model: modelSchema,
    /** Its CLI may stay for the session's next turn. */
    keep: z.boolean().default(false),
    /** What is left of the folder's tools. */
    tools: z.object({ allow: z.array(z.string()).nullable(), deny: z.array(z.string()) }).optional(),
  }),
  /** No turn for a while: nothing of the session may run until `wake`. */
  z.object({ type: z.literal('rest') }),
  /** In place of `open`, after `rest`: the head is still what this host saved last. */
  z.object({ type: z.literal('wake'), fence: z.int().nonnegative(), stored: storedGenerationSchema }),
  /** What a person wrote to the turn that runs. */
  z.object({ type: z.literal('input'), turnId: z.string(), text: z.string() }),
  z.object({ type: z.literal('stop'), reason: z.enum(['stop', 'deadline', 'lost']) }),
  z.object({
    type: z.literal('save'),
    generation: z.int().positive(),
    previous: storedGenerationSchema.nullable(),
    running: z.boolean(),
    /** Random parts of the names that packs may have, in order; any, when left out. */
    names: z.array(z.string().regex(/^[0-9a-f]{8}$/)).optional(),
  }),
  /** The answer to `pack`: `exists` when the name is taken. */
  z.object({ type: z.literal('put'), result: z.enum(['created', 'exists', 'refused']) }),
  /** The answer to `need`: the pack is in the incoming folder, or there is none of that name. */
  z.object({ type: z.literal('have'), name: z.string(), found: z.boolean() }),
  /** After `ended`: what the agent sends is put under these names, in order, and forgotten. */
  z.object({ type: z.literal('give'), names: z.array(z.string().regex(SENT_NAME)).max(MAX_FILES) }),
  z.object({ type: z.literal('close') }),
]);
export type ToHost = z.input<typeof toHostSchema>;
export type HeardByHost = z.output<typeof toHostSchema>;

const MAX_TEXT = 4 * 1024 * 1024;
const short = text(2_000);

const turnEventSchema = z.union([
  z.strictObject({
    type: z.literal('status'),
    status: z.enum(['queued', 'running', 'retrying', 'stopping']),
  }),
  z.strictObject({ type: z.literal('text'), text: text(MAX_TEXT) }),
  z.strictObject({
    type: z.literal('tool'),
    id: text(200),
    name: text(200),
    summary: short,
    state: z.enum(['started', 'done', 'failed']),
    input: text(100_000).optional(),
    result: text(100_000).optional(),
    diff: text(100_000).optional(),
  }),
]);

const count = z.number().nonnegative().finite();

export const outcomeSchema = z.strictObject({
  status: z.enum(['ok', 'stopped', 'deadline', 'failed']),
  text: text(MAX_TEXT),
  demo: z.boolean(),
  contextTokens: z.int().nonnegative().optional(),
  usage: z
    .strictObject({
      inputTokens: count,
      outputTokens: count,
      cacheReadTokens: count,
      cacheWriteTokens: count,
      costUsd: count,
    })
    .optional(),
  asked: askedSchema.optional(),
  sent: z.array(sentFileSchema).max(MAX_FILES).optional(),
  schedules: scheduleOrdersSchema.optional(),
  ended: z.array(endedProgramSchema).max(MAX_ENDED_PROGRAMS).optional(),
  failure: z
    .strictObject({
      code: z.enum(['model-unavailable', 'agent-crashed', 'agent-error', 'resume-lost']),
      message: text(8_000),
      status: z.int().nullable().optional(),
      retryAfterMs: z.number().nonnegative().optional(),
    })
    .optional(),
});

const logFields = z.record(
  z.string().max(60),
  z.union([text(4_000), z.number(), z.boolean(), z.null()]).optional(),
);

export const fromHostSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready'), version: z.literal(PROTOCOL_VERSION) }),
  z.strictObject({ type: z.literal('beat') }),
  /**
   * `cold`: of `wake`, why this host cannot serve the turn; of `open`, why one that stayed there did not. `hot`: of `open`, one
   * that stayed serves it, and nothing was laid out.
   */
  z.strictObject({
    type: z.literal('opened'),
    cold: z.enum(WHY_EVICTED).optional(),
    hot: z.literal(true).optional(),
  }),
  z.strictObject({
    type: z.literal('resting'),
    memoryBytes: count.optional(),
    /** Set when no CLI stayed. */
    cold: z.enum(WHY_EVICTED).optional(),
  }),
  z.strictObject({ type: z.literal('progress'), event: turnEventSchema }),
  z.strictObject({
    type: z.literal('ended'),
    outcome: outcomeSchema,
    /** Why the CLI was started for this turn; absent when the one of the turn before served it. */
    cold: z.enum(WHY_COLD).optional(),
  }),
  /** The agent has this `input`. */
  z.strictObject({ type: z.literal('took'), turnId: z.string().max(64) }),
  z.strictObject({ type: z.literal('need'), name: z.string().max(60) }),
  z.strictObject({
    type: z.literal('pack'),
    name: z.string().max(60),
    bytes: z.int().nonnegative(),
  }),
  z.strictObject({
    type: z.literal('saved'),
    stored: storedGenerationSchema,
    dead: z.array(deadPackSchema).max(8),
    refused: z.array(z.strictObject({ path: text(5_000), reason: short })).max(10_000),
  }),
  /** The answer to `give`: the packs of those names have been announced. */
  z.strictObject({ type: z.literal('given') }),
  /** The answer to `boot`, `open` or `save` where it went wrong. */
  z.strictObject({
    type: z.literal('failed'),
    at: z.enum(['boot', 'open', 'save', 'rest', 'give']),
    family: z.enum(['Corrupt', 'Invalid', 'Refused', 'Conflict', 'Error']),
    code: z.string().max(60),
    message: short,
    advice: short.optional(),
  }),
  z.strictObject({
    type: z.literal('log'),
    level: z.enum(['debug', 'info', 'warn', 'error']),
    event: z.string().max(60),
    fields: logFields,
  }),
]);
export type FromHost = z.input<typeof fromHostSchema>;
export type HeardFromHost = z.output<typeof fromHostSchema>;
