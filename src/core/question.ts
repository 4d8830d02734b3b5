// One question to people, as it is kept with the session, told to channels and shown; with the answer once there is one.
import { z } from 'zod';
import { choiceSchema } from './asked-call.ts';
import { principalSchema } from './principal.ts';

const answerSchema = z.object({
  /** `reply`: to a question of the agent's own, in `text`. */
  decision: z.enum(['once', 'chat', 'deny', 'reply']),
  text: z.string().nullable(),
  by: principalSchema,
  /** As people know them; only ever shown. */
  name: z.string().nullable(),
  atMs: z.number(),
});
export type Answer = z.infer<typeof answerSchema>;

export const questionSchema = z.object({
  /** Short, so that it fits into a button. */
  id: z.string(),
  call: z.string(),
  title: z.string(),
  detail: z.string(),
  format: z.enum(['command', 'diff', 'json']),
  covers: z.enum(['call', 'tool']),
  /** null: a call that may be allowed or not. */
  choice: choiceSchema.nullable(),
  answer: answerSchema.nullable(),
  /** Has said no, and will say why in the next message. */
  reasonFrom: principalSchema.nullable(),
});
export type Question = z.infer<typeof questionSchema>;
