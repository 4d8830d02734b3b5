// A call of a tool that waits for people, as the agent's side describes it, and what people decided about such calls, as
// the agent's side is told. Both cross the line between worker and host, so they are checked and bounded.
import { z } from 'zod';
import { principalListSchema } from './principal.ts';

/** A model that asks for more than this at once is told to ask again later. */
export const MAX_ASKED_CALLS = 10;
/** Longest text of a call that people are shown; what is missing is said. */
export const MAX_SHOWN = 4_000;
/** Together they lie in the session's head, which a store may keep in one item. */
const MAX_CHOICES = 4;

const shown = (max: number) =>
  z
    .string()
    .max(max)
    .transform((text) => text.toWellFormed());

/** A question of the agent's own, with answers to choose from; any other answer may be written. */
export const choiceSchema = z.strictObject({
  question: shown(1_000),
  options: z.array(z.strictObject({ label: shown(200), description: shown(500) })).max(MAX_CHOICES),
  multiple: z.boolean(),
});
export type Choice = z.infer<typeof choiceSchema>;

export const askedCallSchema = z.strictObject({
  /** The call's own id in the conversation. */
  id: z.string().max(200),
  tool: z.string().max(200),
  /** One line: `Bash: npm publish`. */
  title: shown(300),
  /** The command, the change as a diff, or the input. */
  detail: shown(MAX_SHOWN + 100),
  format: z.enum(['command', 'diff', 'json']),
  /** Stands for tool and input: the same call made again has the same. */
  hash: z.string().max(100),
  /** `held`: it runs by itself when it is allowed. `again`: the agent has to make it once more. */
  waits: z.enum(['held', 'again']),
  /** What it would mean to allow it for the chat: this very call, or every call of the tool. */
  covers: z.enum(['call', 'tool']),
  /** Not a call to be allowed, but questions to be answered. */
  choices: z.array(choiceSchema).max(MAX_CHOICES).optional(),
});
export type AskedCall = z.infer<typeof askedCallSchema>;

/** What a run of the agent ended with that people have to decide. */
export const askedSchema = z.strictObject({
  calls: z.array(askedCallSchema).min(1).max(MAX_ASKED_CALLS),
  /** Who may decide; null: whoever wrote the message that led to it. */
  approvers: principalListSchema.max(1_000).nullable(),
  /** How long the answer is waited for; null: as long as the session is kept. */
  expiresAfterSec: z.number().positive().nullable(),
});
export type Asked = z.infer<typeof askedSchema>;

export const decidedCallSchema = z.strictObject({
  id: z.string(),
  tool: z.string(),
  title: z.string(),
  hash: z.string(),
  waits: z.enum(['held', 'again']),
  verdict: z.enum(['allow', 'deny']),
  /** Who decided. */
  by: z.strictObject({ channel: z.string(), id: z.string().nullable() }),
  /** Of a denial, as the agent is to read it. */
  reason: z.string().optional(),
  /** To the agent's own questions, by question. */
  answers: z.record(z.string(), z.string()).optional(),
});
export type DecidedCall = z.infer<typeof decidedCallSchema>;

/** What the agent's side is told for one turn. */
export const decidedSchema = z.strictObject({
  /** This turn is the answer to these calls: it goes on with them, without a message. null: it has one. */
  calls: z.array(decidedCallSchema).nullable(),
  /** What may run in this chat without asking; a null hash covers every call of the tool. */
  granted: z.array(z.strictObject({ tool: z.string(), hash: z.string().nullable() })),
});
export type Decided = z.infer<typeof decidedSchema>;
