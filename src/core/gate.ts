// The gate of a wake-up, as it crosses the line between worker and agent host: a script of the agent folder that decides, without a
// model, whether the agent is woken (src/agent/gate.ts).
import { z } from 'zod';

/** Names a file of the folder `gates`. */
export const gateNameSchema = z.string().regex(/^[a-z0-9](?:[a-z0-9._-]{0,58}[a-z0-9])?$/);

/** Of what a gate prints. */
export const MAX_GATE_WORDS = 4_000;

export const gateOutcomeSchema = z.strictObject({
  verdict: z.enum(['closed', 'failed']),
  said: z.string().max(MAX_GATE_WORDS),
});
