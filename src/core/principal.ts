// Who speaks in a turn, as the channel vouches for it. Rights, limits, credentials and approvals go by this value of the
// message at hand, never by a name (people choose those) and never by who began the session.
import { z } from 'zod';
import type { TurnRequest } from './messages.ts';

export const principalSchema = z.object({ channel: z.string(), id: z.string().nullable() });

export interface Principal {
  readonly channel: string;
  /** The person's id on that channel. null where nobody is told apart: of a key of the HTTP API nobody knows who holds it. */
  readonly id: string | null;
}

const MAX_PERSON_BYTES = 128;

/** An id that a product gives to somebody. It is part of keys: so short that every store keeps them as they are. */
export function isPersonId(id: string): boolean {
  return id.isWellFormed() && id.trim() !== '' && Buffer.byteLength(id) <= MAX_PERSON_BYTES;
}

/** Everybody whom a channel lets in; in a list of people. */
const EVERYBODY = '*';

/** The speaker of this turn: of a press the one who pressed, whoever began the session. */
export function speakerOf({ conversation, sender }: Pick<TurnRequest, 'conversation' | 'sender'>): Principal {
  return { channel: conversation.channel, id: sender?.id ?? null };
}

/** `CHANNEL/ID`; `http/` where nobody is told apart. Injective, because no channel's name holds a slash. */
export function principalName({ channel, id }: Principal): string {
  return `${channel}/${id ?? ''}`;
}

export function isSamePrincipal(a: Principal, b: Principal): boolean {
  return principalName(a) === principalName(b);
}

/** People as settings name them: `CHANNEL/ID` for one, `http/*` for everybody whom that channel lets in. */
export const principalListSchema = z.array(
  z
    .string()
    .regex(/^[a-z][a-z0-9-]*\/\S+$/, 'name people as CHANNEL/ID, or everybody of a channel as "http/*"'),
);

/** Fails closed: an empty list names nobody. */
export function isListed(list: readonly string[], principal: Principal): boolean {
  if (list.includes(`${principal.channel}/${EVERYBODY}`)) return true;
  return principal.id !== null && list.includes(principalName(principal));
}
