// What a turn may do with its token: call these models, for these people's account, within these budgets.
import { z } from 'zod';
import type { Person, SessionId, SessionKey, Tenant, TurnId } from '../core/ids.ts';
import { type Budgets, budgetsSchema } from './budgets.ts';

export interface TurnGrant {
  readonly tenant: Tenant;
  readonly sessionId: SessionId;
  readonly turnId: TurnId;
  readonly sessionKey: SessionKey;
  /** Who wrote, as the channel names them. */
  readonly speaker?: string;
  /** The same one by name and channel: whose credentials tool servers get. */
  readonly person?: Person;
  /** The turn's agent folder; left out for the installation's own. */
  readonly agent?: string;
  /** Of what the folder lets its tool servers do; left out for all of it. */
  readonly narrowing?: { readonly allow: readonly string[] | null; readonly deny: readonly string[] };
  /** Full or short names; null: whatever the upstream serves. */
  readonly models: readonly string[] | null;
  readonly budgets?: Budgets;
  /** True when the model was away before: then one failed request is enough. */
  readonly once?: boolean;
  /** Names this run of the turn, where what the gateway saw of it is kept elsewhere. */
  readonly run?: string;
}

export const turnGrantSchema = z.strictObject({
  tenant: z.string().transform((value) => value as Tenant),
  sessionId: z.string().transform((value) => value as SessionId),
  turnId: z.string().transform((value) => value as TurnId),
  sessionKey: z.string().transform((value) => value as SessionKey),
  speaker: z.string().optional(),
  person: z
    .string()
    .transform((value) => value as Person)
    .optional(),
  agent: z.string().optional(),
  narrowing: z.strictObject({ allow: z.array(z.string()).nullable(), deny: z.array(z.string()) }).optional(),
  models: z.array(z.string()).nullable(),
  budgets: budgetsSchema.optional(),
  once: z.boolean().optional(),
  run: z.string().max(100).optional(),
});
