// Ids as keys: what a session id may look like, and what the keys of one tenant (and channel) begin with.
import { type SessionKey, sessionKeyOf, type Tenant } from '../../core/ids.ts';
import type { OfChannel } from '../../core/ports/store.ts';
import { storeError } from './errors.ts';

const SESSION_ID = /^[A-Za-z0-9_-]{1,64}$/;

export function isSessionId(value: string): boolean {
  return SESSION_ID.test(value);
}

/** Invalid('bad-session-id'): it becomes part of keys and object names. */
export function requireSessionId(value: string): void {
  if (!isSessionId(value)) throw storeError('bad-session-id');
}

/** A channel's name as it stands in session keys. */
export function encodedChannel(channel: string): string {
  return encodedParts(channel, 'x')[0];
}

function encodedParts(channel: string, bot: string): [channel: string, bot: string] {
  const key: SessionKey = sessionKeyOf({ tenant: 'x', channel, bot, chat: 'x', thread: null });
  return key.split('/').slice(1, 3) as [string, string];
}

/** What keys of the tenant begin with: of all, of one channel, or of one bot of it. */
export function keyPrefix(tenant: Tenant, { channel, bot }: OfChannel = {}): string {
  if (channel === undefined) return `${tenant}/`;
  if (bot === undefined) return `${tenant}/${encodedChannel(channel)}/`;
  return `${tenant}/${encodedParts(channel, bot).join('/')}/`;
}

/** The range of keys under a prefix that ends in `/`: from it, up to but without this. */
export function afterPrefix(prefix: string): string {
  return `${prefix.slice(0, -1)}0`;
}
