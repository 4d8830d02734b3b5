// An answer to a question: a press of a button, or what stands for one in a channel without buttons. It is an input of its
// own, with an id, and a turn: so two presses are in order, and each happens once (ONCE-IN). `text` of its request is what
// people read of it.
import { z } from 'zod';
import { MAX_TEXT_LENGTH } from './text-length.ts';

export const answerInputSchema = z.union([
  z.strictObject({
    question: z.string().regex(/^q[0-9a-f]{16}$/),
    /** `why`: no, and the reason comes with it or in the next message. `reply`: to a question of the agent's own. */
    decision: z.enum(['once', 'chat', 'deny', 'why', 'reply']),
    text: z
      .string()
      .max(MAX_TEXT_LENGTH)
      .transform((text) => text.toWellFormed())
      .optional(),
    /** Of the offers to a question of the agent's own, by place: a button has no room for words. */
    option: z.int().nonnegative().max(10).optional(),
  }),
  /** Takes back what was allowed for the chat. */
  z.strictObject({ withdraw: z.string().max(40) }),
]);
export type AnswerInput = z.infer<typeof answerInputSchema>;
