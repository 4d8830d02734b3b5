// How the line between worker and agent host lies over an invocation of a function. What the host says comes as the
// response's stream. A response has no way back, so what the worker says goes into a mailbox, from which the host takes it
// by its token; what is known at the start is in the invocation itself. Packs travel by URLs that are good for one object.
import { z } from 'zod';

export const INVOCATION_VERSION = 1;

const urls = z.record(z.string(), z.string());

/** A URL, and the headers that are signed with it: without them the store refuses. */
const presignedWriteSchema = z.object({ url: z.string(), headers: z.record(z.string(), z.string()) });
export type PresignedWrite = z.infer<typeof presignedWriteSchema>;

/** What the worker says, in order. */
export const messageSchema = z.object({
  /** For the host; see ../protocol.ts. Without one it says that the worker is there. */
  frame: z.unknown().optional(),
  /** Names of packs that may be read, with where. */
  reads: urls.optional(),
  /** Names of packs that may be written once, with where. */
  writes: z.record(z.string(), presignedWriteSchema).optional(),
});
export type Message = z.infer<typeof messageSchema>;

export const invocationSchema = z.object({
  version: z.literal(INVOCATION_VERSION),
  control: z.object({ url: z.string(), token: z.string() }),
  messages: z.array(messageSchema),
  /** Name of the agent folder; the installation's own when left out. */
  agent: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/)
    .optional(),
  /** Less than the function's own. */
  maxWorkspaceBytes: z.int().positive().optional(),
});
export type Invocation = z.infer<typeof invocationSchema>;

/** The control endpoint's answer: the messages after the number that was asked for. */
export const newsSchema = z.object({
  messages: z.array(z.object({ number: z.int().positive(), message: messageSchema })),
});
export type News = z.infer<typeof newsSchema>;

/** The path of the control endpoint below the gateway's address. */
export const CONTROL_PATH = '/control';
/** The host may wait this long for an answer at most. */
export const MAX_CONTROL_WAIT_MS = 2_000;
