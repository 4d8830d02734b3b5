// Items as DynamoDB holds them, and back. Opaque JSON is kept as a string; a text too long to rewrite with every
// change of its turn lies compressed in an item of its own, so that 100,000 characters of any kind stay below the
// 400 KB an item may have.
import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { Corrupt, Invalid } from '../../core/errors.ts';
import { type SessionId, type SessionKey, type TurnId, tenantOf } from '../../core/ids.ts';
import type { Json, TurnRequest } from '../../core/messages.ts';
import type { Reply, SessionHead, SessionMapping, TurnRecord, TurnStatus } from '../../core/records.ts';
import { conversationPartition, headKey, storedKey, tenantList } from './tables.ts';

export type Item = Record<string, AttributeValue>;
export type Plain = string | number | boolean | null | Uint8Array;

/** Longer than this (bytes of JSON), a text or reply gets an item of its own. */
export const INLINE_BYTES = 2_000;
/** Below the platform's 400 KB with room for the other attributes. */
const MAX_ITEM_BYTES = 390_000;
/** How long after its expiry DynamoDB may delete an item. Readers go by `expires_at`; this only collects. */
const DAY_SEC = 86_400;
/** A queue keeps a message for at most 14 days: what is written at accept must outlive a turn that waits so long. */
export const WAITING_SEC = 15 * DAY_SEC;

export function attribute(value: Plain): AttributeValue {
  if (value === null) return { NULL: true };
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  return { B: value };
}

export function toItem(values: Readonly<Record<string, Plain | undefined>>): Item {
  const item: Item = {};
  for (const [name, value] of Object.entries(values)) if (value !== undefined) item[name] = attribute(value);
  return item;
}

export function text(item: Item, name: string): string {
  const value = item[name]?.S;
  if (value === undefined) throw new Corrupt('item-unreadable', `An item lacks its attribute ${name}.`);
  return value;
}

export function number(item: Item, name: string): number {
  const value = Number(item[name]?.N);
  if (!Number.isFinite(value)) throw new Corrupt('item-unreadable', `An item lacks its number ${name}.`);
  return value;
}

function json<T>(item: Item, name: string): T | null {
  const value = item[name]?.S;
  if (value === undefined) return null;
  try {
    return JSON.parse(value) as T;
  } catch (error) {
    throw new Corrupt('item-unreadable', `The attribute ${name} of an item is no JSON.`, { cause: error });
  }
}

export function mappingItem(mapping: SessionMapping): Item {
  return toItem({ ...mapping, session_key: storedKey(mapping.session_key) });
}

/** `key`: the conversation's own, since a very long one is stored as a digest. */
export function readMapping(item: Item, key: SessionKey): SessionMapping {
  return {
    session_key: key,
    session_id: text(item, 'session_id') as SessionId,
    chat_id: text(item, 'chat_id'),
    thread_id: item.thread_id?.S ?? null,
    created_at: text(item, 'created_at'),
    updated_at: text(item, 'updated_at'),
    ttl: number(item, 'ttl'),
  };
}

/** Deletion by DynamoDB comes a day after expiry: a live mapping never points at a head swept a moment early. */
export function sweepAt(expiresAtSec: number): number {
  return expiresAtSec + DAY_SEC;
}

/** The state as stored; too large to store is said before anything is written. */
export function stateText(state: Json): string {
  const value = JSON.stringify(state);
  if (Buffer.byteLength(value) > MAX_ITEM_BYTES) {
    throw new Invalid('state-too-large', 'The session state record is larger than a DynamoDB item may be.');
  }
  return value;
}

export interface NewHead {
  readonly sessionKey: SessionKey;
  readonly sessionId: SessionId;
  readonly generation: number;
  readonly fence: number;
  readonly state: Json | null;
  readonly nowMs: number;
  readonly expiresAtSec: number;
}

export function headItem(head: NewHead): Item {
  return toItem({
    ...headKey(tenantOf(head.sessionKey), head.sessionId),
    session_id: head.sessionId,
    session_key: head.sessionKey,
    generation: head.generation,
    fence: head.fence,
    state: head.state === null ? undefined : stateText(head.state),
    created_at_ms: head.nowMs,
    used_at_ms: head.nowMs,
    expires_at: head.expiresAtSec,
    ttl: sweepAt(head.expiresAtSec),
    tenant_list: tenantList(tenantOf(head.sessionKey)),
    conversation_list: conversationPartition(head.sessionKey),
  });
}

export function readHead(item: Item): SessionHead {
  const sessionKey = text(item, 'session_key') as SessionKey;
  return {
    tenant: tenantOf(sessionKey),
    sessionId: text(item, 'session_id') as SessionId,
    sessionKey,
    generation: number(item, 'generation'),
    fence: number(item, 'fence'),
    state: json<Json>(item, 'state'),
    createdAtMs: number(item, 'created_at_ms'),
    updatedAtMs: number(item, 'used_at_ms'),
    expiresAtSec: number(item, 'expires_at'),
  };
}

/** What makes two messages with one id the same message. */
export function requestDigest(request: Pick<TurnRequest, 'kind' | 'text'>): string {
  return createHash('sha256')
    .update(JSON.stringify([request.kind, request.text]))
    .digest('base64url');
}

/** A value either inside its turn's item, or compressed for an item of its own. */
export type Placed = { readonly inline: string } | { readonly apart: Uint8Array };

export function place(value: unknown, code: string): Placed {
  const encoded = JSON.stringify(value);
  if (Buffer.byteLength(encoded) <= INLINE_BYTES) return { inline: encoded };
  const apart = deflateRawSync(Buffer.from(encoded));
  if (apart.length > MAX_ITEM_BYTES) {
    throw new Invalid(code, 'The text is larger than a DynamoDB item may be, even compressed.');
  }
  return { apart };
}

export function readPlaced<T>(item: Item, name: string, apart: Item | undefined): T | null {
  const inline = json<T>(item, name);
  if (inline !== null || item[`${name}_apart`]?.BOOL !== true) return inline;
  const body = apart?.body?.B;
  if (!body) throw new Corrupt('item-unreadable', `The ${name} of a turn is missing.`);
  return JSON.parse(inflateRawSync(body).toString('utf8')) as T;
}

/** True when a part of the turn lies in an item of its own. */
export function isApart(item: Item, name: 'text' | 'reply'): boolean {
  return item[`${name}_apart`]?.BOOL === true;
}

/** A ledger line from its item and the items of its long parts. */
export function readTurn(
  item: Item,
  parts: { readonly text?: Item; readonly reply?: Item } = {},
): TurnRecord {
  const sessionKey = text(item, 'session_key') as SessionKey;
  // What an earlier attempt saved in another session (one that has expired since) is not in this one's state.
  const savedIn = item.generation_session?.S;
  const ofThisSession = savedIn !== undefined && savedIn === item.session_id?.S;
  return {
    turnId: text(item, 'turn_id') as TurnId,
    sessionKey,
    tenant: tenantOf(sessionKey),
    kind: text(item, 'kind') as TurnRecord['kind'],
    dedupeId: text(item, 'dedupe_id'),
    text: readPlaced<string>(item, 'text', parts.text) ?? '',
    status: text(item, 'status') as TurnStatus,
    attempts: number(item, 'attempts'),
    stopRequested: item.stop_requested?.BOOL === true,
    sessionId: (item.session_id?.S as SessionId | undefined) ?? null,
    generation: ofThisSession ? number(item, 'generation') : null,
    reply: readPlaced<Reply>(item, 'reply', parts.reply),
    anchor: json<Json>(item, 'anchor'),
    sequence: number(item, 'sequence'),
    receivedAtMs: number(item, 'received_at_ms'),
    updatedAtMs: number(item, 'updated_at_ms'),
    expiresAtSec: number(item, 'expires_at'),
  };
}

/** Expired is absent, whether or not DynamoDB has deleted it. */
export function alive(
  item: Item | undefined,
  nowMs: number,
  name: 'expires_at' | 'ttl' = 'expires_at',
): item is Item {
  return item !== undefined && number(item, name) > Math.floor(nowMs / 1000);
}
