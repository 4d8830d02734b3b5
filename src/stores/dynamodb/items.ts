// Items as DynamoDB holds them, and back. Opaque JSON is kept as a string; a text too long to rewrite with every
// change of its turn is kept compressed in an item of its own (the turn's item then has the attribute `text_apart` or
// `reply_apart`), so that 100,000 characters of any kind stay below the 400 KB an item may have.
import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Attachment } from '../../core/attachments.ts';
import { Invalid } from '../../core/errors.ts';
import { type SessionId, type SessionKey, type TurnId, tenantOf } from '../../core/ids.ts';
import type { Json, TurnRequest } from '../../core/messages.ts';
import type {
  Lease,
  Reply,
  SessionHead,
  SessionMapping,
  TurnRecord,
  TurnStatus,
} from '../../core/records.ts';
import type { Timeline } from '../../core/timeline.ts';
import type { StoredTurn } from '../rules/commit.ts';
import { storeError } from '../rules/errors.ts';
import type { LeaseState, StoredSession } from '../rules/lease.ts';
import { isLive } from '../rules/retention.ts';
import { messageContent, type TurnState } from '../rules/turn.ts';
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
  if (value === undefined) throw storeError('record-unreadable', { data: { attribute: name } });
  return value;
}

export function number(item: Item, name: string): number {
  const value = Number(item[name]?.N);
  if (!Number.isFinite(value)) throw storeError('record-unreadable', { data: { attribute: name } });
  return value;
}

export function json<T>(item: Item, name: string): T | null {
  const value = item[name]?.S;
  if (value === undefined) return null;
  try {
    return JSON.parse(value) as T;
  } catch (error) {
    throw storeError('record-unreadable', { cause: error, data: { attribute: name } });
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

/** DynamoDB deletes an item a day after its expiry: a live mapping never points at a head deleted a moment early. */
export function deletionTime(expiresAtSec: number): number {
  return expiresAtSec + DAY_SEC;
}

/** A value above what an item may have is refused before anything is written. */
function tooLarge(code: string, what: string): Invalid {
  return new Invalid(code, `The ${what} is larger than a DynamoDB item may be.`, {
    advice: 'An item may have 400 KB: store less in one record.',
  });
}

export function stateText(state: Json): string {
  const value = JSON.stringify(state);
  if (Buffer.byteLength(value) > MAX_ITEM_BYTES) throw tooLarge('state-too-large', 'session state record');
  return value;
}

export function headItem(head: SessionHead): Item {
  return toItem({
    ...headKey(head.tenant, head.sessionId),
    session_id: head.sessionId,
    session_key: head.sessionKey,
    generation: head.generation,
    fence: head.fence,
    state: head.state === null ? undefined : stateText(head.state),
    consent: head.consent == null ? undefined : stateText(head.consent),
    created_at_ms: head.createdAtMs,
    used_at_ms: head.updatedAtMs,
    expires_at: head.expiresAtSec,
    ttl: deletionTime(head.expiresAtSec),
    tenant_list: tenantList(head.tenant),
    conversation_list: conversationPartition(head.sessionKey),
  });
}

/** A head that is leased from the start. */
export function leasedHeadItem({ head, owner, leaseUntilMs }: StoredSession): Item {
  return { ...headItem(head), ...toItem({ lease_owner: owner ?? undefined, lease_until_ms: leaseUntilMs }) };
}

/** As much of a head's item as the rules about leases ask for. */
export function readLeaseState(item: Item): LeaseState {
  const head = { fence: number(item, 'fence'), generation: number(item, 'generation') };
  const isLeased = item.lease_owner !== undefined;
  const leaseUntilMs = isLeased ? number(item, 'lease_until_ms') : 0;
  return { head, owner: item.lease_owner?.S ?? null, leaseUntilMs };
}

export function readSession(item: Item): StoredSession {
  return { ...readLeaseState(item), head: readHead(item) };
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
    consent: json<Json>(item, 'consent'),
    createdAtMs: number(item, 'created_at_ms'),
    updatedAtMs: number(item, 'used_at_ms'),
    expiresAtSec: number(item, 'expires_at'),
  };
}

/** Stands for a message's content, so that a condition can compare it. */
export function contentDigest(
  request: Pick<TurnRequest, 'kind' | 'text'> & Pick<TurnRecord, 'attachments'>,
): string {
  return createHash('sha256').update(messageContent(request)).digest('base64url');
}

/** A value as it is stored: inside its record's item, or compressed in an item of its own. */
export type StoredValue = { readonly inline: string } | { readonly separate: Uint8Array };

export function storedValue(
  value: unknown,
  code: 'text-too-large' | 'reply-too-large' | 'event-too-large',
): StoredValue {
  const encoded = JSON.stringify(value);
  if (Buffer.byteLength(encoded) <= INLINE_BYTES) return { inline: encoded };
  const separate = deflateRawSync(Buffer.from(encoded));
  if (separate.length > MAX_ITEM_BYTES) throw tooLarge(code, 'text, even compressed,');
  return { separate };
}

/** `separate`: the item that holds the value where it is not inline. */
export function readValue<T>(item: Item, name: string, separate: Item | undefined): T | null {
  const inline = json<T>(item, name);
  if (inline !== null || item[`${name}_apart`]?.BOOL !== true) return inline;
  const body = separate?.body?.B;
  if (!body) throw storeError('record-unreadable', { data: { attribute: name } });
  try {
    return JSON.parse(inflateRawSync(body).toString('utf8')) as T;
  } catch (error) {
    throw storeError('record-unreadable', { cause: error, data: { attribute: name } });
  }
}

/** True when this part of a turn is in an item of its own. */
export function isSeparate(item: Item, name: 'text' | 'reply'): boolean {
  return item[`${name}_apart`]?.BOOL === true;
}

/** As much of a turn's item as decides what may be done with it. */
export function readTurnState(item: Item): TurnState {
  return {
    status: text(item, 'status') as TurnStatus,
    sessionKey: text(item, 'session_key') as SessionKey,
    sessionId: (item.session_id?.S as SessionId | undefined) ?? null,
    expiresAtSec: number(item, 'expires_at'),
  };
}

/** `committed_by` says which lease committed a turn: its session, fence and owner. */
export function committedBy({ sessionId, fence, owner }: Lease): string {
  return `${sessionId}:${fence}:${owner}`;
}

export function readStoredTurn(item: Item, turn: TurnRecord): StoredTurn {
  const by = item.committed_by?.S;
  return { turn, committedFence: by === undefined ? null : Number(by.split(':')[1]) };
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
    text: readValue<string>(item, 'text', parts.text) ?? '',
    ...(item.written_in && { writtenIn: text(item, 'written_in') as SessionKey }),
    ...(item.attachments && { attachments: json<readonly Attachment[]>(item, 'attachments') ?? [] }),
    status: text(item, 'status') as TurnStatus,
    attempts: number(item, 'attempts'),
    stopRequested: item.stop_requested?.BOOL === true,
    sessionId: (item.session_id?.S as SessionId | undefined) ?? null,
    generation: ofThisSession ? number(item, 'generation') : null,
    reply: readValue<Reply>(item, 'reply', parts.reply),
    anchor: json<Json>(item, 'anchor'),
    timeline: json<Timeline>(item, 'timeline'),
    sequence: number(item, 'sequence'),
    receivedAtMs: number(item, 'received_at_ms'),
    updatedAtMs: number(item, 'updated_at_ms'),
    expiresAtSec: number(item, 'expires_at'),
  };
}

/** Expired is absent, whether or not DynamoDB has deleted it. */
export function isLiveItem(
  item: Item | undefined,
  nowMs: number,
  name: 'expires_at' | 'ttl' = 'expires_at',
): item is Item {
  return item !== undefined && isLive(number(item, name), nowMs);
}
