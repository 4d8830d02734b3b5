// Names of things. A session key is an injective encoding of (tenant, channel, bot, chat, thread): two
// different conversations can never share a key, whatever bytes their ids hold. A turn id is derived from the
// session key and the message's own id, so the same message always names the same turn.
import { createHash, randomUUID } from 'node:crypto';
import { Invalid } from './errors.ts';

export type SessionKey = string & { readonly __brand: 'SessionKey' };
export type SessionId = string & { readonly __brand: 'SessionId' };
export type TurnId = string & { readonly __brand: 'TurnId' };
export type Tenant = string & { readonly __brand: 'Tenant' };
/** Somebody on a channel: `CHANNEL/ID`. */
export type Person = string & { readonly __brand: 'Person' };

/** One chat + thread on one bot. `thread` is null where the platform has none. */
export interface Conversation {
  readonly tenant: string;
  readonly channel: string;
  readonly bot: string;
  readonly chat: string;
  readonly thread: string | null;
}

/** Longest id of a chat, thread or bot, in UTF-16 code units. */
export const MAX_ID_LENGTH = 256;

const PLAIN = /[A-Za-z0-9_]/;
const NO_THREAD = '-';

/** Bytes outside `[A-Za-z0-9_]` become `=XX`, so `/` and `-` stay free for structure. Empty parts are refused. */
function encodePart(name: string, value: string): string {
  if (value.length === 0) throw new Invalid('empty-id', `The ${name} id is empty.`);
  if (value.length > MAX_ID_LENGTH) {
    throw new Invalid('id-too-long', `The ${name} id is longer than ${MAX_ID_LENGTH} characters.`);
  }
  if (!value.isWellFormed()) throw new Invalid('malformed-id', `The ${name} id is not well-formed Unicode.`);
  let out = '';
  for (const byte of Buffer.from(value, 'utf8')) {
    const char = String.fromCharCode(byte);
    out += PLAIN.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

function decodePart(part: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < part.length; i++) {
    if (part[i] === '=') {
      bytes.push(Number.parseInt(part.slice(i + 1, i + 3), 16));
      i += 2;
    } else bytes.push(part.charCodeAt(i));
  }
  return Buffer.from(bytes).toString('utf8');
}

/** Encodes a conversation: `tenant/channel/bot/chat/thread`, thread `-` when there is none. */
export function sessionKeyOf(c: Conversation): SessionKey {
  return [
    encodePart('tenant', c.tenant),
    encodePart('channel', c.channel),
    encodePart('bot', c.bot),
    encodePart('chat', c.chat),
    c.thread === null ? NO_THREAD : encodePart('thread', c.thread),
  ].join('/') as SessionKey;
}

/** The inverse of {@link sessionKeyOf}; throws `Invalid` on anything it did not make. */
export function conversationOf(key: string): Conversation {
  const parts = key.split('/');
  const [tenant, channel, bot, chat, thread] = parts.map((p, i) =>
    i === 4 && p === NO_THREAD ? null : decodePart(p),
  );
  if (parts.length !== 5 || !tenant || !channel || !bot || !chat || thread === undefined) {
    throw new Invalid('malformed-key', 'This is not a session key.');
  }
  const conversation: Conversation = { tenant, channel, bot, chat, thread };
  if (sessionKeyOf(conversation) !== key) throw new Invalid('malformed-key', 'This is not a session key.');
  return conversation;
}

/** The tenant part of a key, as encoded: the first part of every storage key of that tenant. */
export function tenantOf(key: SessionKey): Tenant {
  return key.slice(0, key.indexOf('/')) as Tenant;
}

/** Encodes a tenant name for use in storage keys. */
export function tenantId(name: string): Tenant {
  return encodePart('tenant', name) as Tenant;
}

/** The turn a message belongs to: `turn_` + 32 hex digits, the same for every redelivery of the message. */
export function turnIdOf(key: SessionKey, dedupeId: string): TurnId {
  const digest = createHash('sha256').update(`${key}\n${dedupeId}`).digest('hex').slice(0, 32);
  return `turn_${digest}` as TurnId;
}

/** The session that a fork makes: the same at every attempt of its turn. */
export function forkSessionIdOf(turnId: TurnId): SessionId {
  const hex = createHash('sha256').update(`fork\n${turnId}`).digest('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`];
  return [...parts, hex.slice(20, 32)].join('-') as SessionId;
}

export function newSessionId(): SessionId {
  return randomUUID() as SessionId;
}
