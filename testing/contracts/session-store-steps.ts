// Short names for the steps that store cases are made of: begin a turn, commit it.
import { randomUUID } from 'node:crypto';
import type { SessionKey } from '../../src/core/ids.ts';
import { newSessionId } from '../../src/core/ids.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { BeginInput, BeginResult, CommitInput, Page, SessionStore } from '../../src/core/ports/store.ts';
import type { Reply, SessionHead, SessionMapping, TurnRecord } from '../../src/core/records.ts';

export const LEASE_MS = 30_000;
export const RETENTION_SEC = 1_000;

export function begin(
  store: SessionStore,
  request: TurnRequest,
  over: Partial<BeginInput> = {},
): Promise<BeginResult> {
  return store.begin({
    request,
    owner: `worker-${randomUUID()}`,
    leaseMs: LEASE_MS,
    newSessionId: newSessionId(),
    retentionSec: RETENTION_SEC,
    ...over,
  });
}

export function replyOf(text: string): Reply {
  return { text, outcome: 'ok' };
}

/** What a commit of this turn says when all went well. */
export function commitOf(begun: BeginResult, over: Partial<CommitInput> = {}): CommitInput {
  return {
    lease: begun.lease,
    turnId: begun.turn.turnId,
    baseGeneration: begun.head.generation,
    generation: begun.head.generation + 1,
    state: { packs: [`pack-${begun.head.generation + 1}`] },
    reply: replyOf(`reply to ${begun.turn.text}`),
    retentionSec: RETENTION_SEC,
    ...over,
  };
}

/** A whole turn: begin, commit, settle, release. */
export async function wholeTurn(
  store: SessionStore,
  request: TurnRequest,
  over: Partial<CommitInput> = {},
): Promise<BeginResult> {
  const begun = await begin(store, request);
  await store.commit(commitOf(begun, over));
  await store.settle(begun.lease, begun.turn.turnId, 'delivered');
  await store.release(begun.lease);
  return begun;
}

/** Everything stored about a conversation that a case may compare before and after. */
export async function snapshot(
  store: SessionStore,
  begun: BeginResult,
): Promise<{ head: SessionHead | null; mapping: SessionMapping | null; turn: TurnRecord | null }> {
  const key: SessionKey = begun.lease.sessionKey;
  return {
    head: await store.getHead(begun.lease.tenant, begun.lease.sessionId),
    mapping: await store.getMapping(key),
    turn: await store.getTurn(begun.lease.tenant, begun.turn.turnId),
  };
}

/** All pages, in the order they come. */
export async function allPages<T>(
  read: (cursor: string | undefined) => Promise<Page<T>>,
  atMost = 100,
): Promise<readonly (readonly T[])[]> {
  const pages: (readonly T[])[] = [];
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    pages.push(page.items);
    cursor = page.cursor ?? undefined;
    if (pages.length > atMost) throw new Error('The pages do not end.');
  } while (cursor !== undefined);
  return pages;
}
