// Mapping, head, lease and turn ledger. One conditional write decides; a clock never does.
import type { SessionId, SessionKey, Tenant, TurnId } from '../ids.ts';
import type { Json, TurnRequest } from '../messages.ts';
import type { Lease, Reply, SessionHead, SessionMapping, TurnRecord } from '../records.ts';
import type { Timeline } from '../timeline.ts';

export interface Page<T> {
  readonly items: readonly T[];
  /** Pass it back to get the next page; null at the end. */
  readonly cursor: string | null;
}

export interface BeginInput {
  readonly request: TurnRequest;
  /** Unique to this worker process and attempt. */
  readonly owner: string;
  readonly leaseMs: number;
  /** Used only if the conversation points nowhere (or its mapping has expired). */
  readonly newSessionId: SessionId;
  readonly retentionSec: number;
}

export interface BeginResult {
  readonly lease: Lease;
  readonly head: SessionHead;
  readonly mapping: SessionMapping;
  readonly turn: TurnRecord;
}

export interface CommitInput {
  readonly lease: Lease;
  readonly turnId: TurnId;
  /** The generation restored from; the commit fails with Conflict('lease-lost') unless it is still the head. */
  readonly baseGeneration: number;
  /** `baseGeneration` (state kept as it was: a failed turn) or `baseGeneration + 1`. */
  readonly generation: number;
  readonly state: Json | null;
  readonly reply: Reply;
  /** Replaces the head's, in the same step; left out, that stays. With `repointTo` or `returnTo` it is that session's. */
  readonly consent?: Json | null;
  readonly retentionSec: number;
  /** Point the conversation at this fresh session instead (`/new`); its head is created at generation 0. */
  readonly repointTo?: SessionId;
  /**
   * The conversation goes on under this key: its session and mapping are moved there in the same step, and its old
   * key points nowhere. Conflict('conversation-taken') when the new key points at another session; nothing is
   * written then. Not together with `repointTo`.
   */
  readonly moveTo?: SessionKey;
  /**
   * Point the conversation back at this earlier session of it, whose retention begins anew. Gone('unknown-session') when it
   * is not kept any more or is another conversation's, Refused('lease-busy') while somebody holds it.
   */
  readonly returnTo?: SessionId;
  /**
   * Make another conversation begin with this session and state, at the same generation. Conflict('conversation-taken')
   * when its key points at a session already, Conflict('session-exists') when the id is taken.
   */
  readonly fork?: ForkInput;
}

export interface ForkInput {
  readonly sessionKey: SessionKey;
  readonly sessionId: SessionId;
  readonly state: Json;
}

export interface AdvanceInput {
  readonly lease: Lease;
  readonly baseGeneration: number;
  readonly generation: number;
  readonly state: Json;
  /**
   * A mid-turn checkpoint of this running turn: its record's `generation` becomes `generation` too, in the same
   * step. A running turn with a generation is one whose prompt is already in the state.
   */
  readonly turnId?: TurnId;
}

export interface GatherInput {
  readonly lease: Lease;
  readonly turnId: TurnId;
  /** Turns of the same conversation; at most 50. */
  readonly followers: readonly TurnId[];
}

/** Mapping, head, lease and turn ledger. One conditional write decides; a clock never does. */
export interface SessionStore {
  /**
   * Writes the ledger line `queued` if the turn is unknown, and returns what is there now. A known turn with a
   * different text or kind: Invalid('idempotency-mismatch').
   */
  accept(request: TurnRequest, retentionSec: number): Promise<TurnRecord>;
  /**
   * Leases the conversation's session, making both when the conversation points nowhere: grants fence + 1, marks
   * an uncommitted turn `running` with attempts + 1. Accepts the turn first where ingress could not.
   * Someone else's lease is alive: Refused('lease-busy', retryAfterMs). The session it points at is not there:
   * Corrupt('head-missing').
   */
  begin(input: BeginInput): Promise<BeginResult>;
  /** Extends the lease and reports a stop asked for `turnId`. Conflict('lease-lost') when the fence moved on. */
  renew(lease: Lease, leaseMs: number, turnId: TurnId): Promise<{ stopRequested: boolean }>;
  /**
   * Head, mapping (sliding `ttl`), ledger line and outbox in one step, if the fence is still the lease's.
   * Repeating a commit that went through returns the same record. Conflict('lease-lost') otherwise.
   */
  commit(input: CommitInput): Promise<TurnRecord>;
  /** Moves the head outside a turn's end: a mid-turn checkpoint, or a compaction (same generation). Fenced. */
  advance(input: AdvanceInput): Promise<void>;
  /**
   * The running turn takes `followers` with it: each becomes `delivered` with the reply `gatheredBy` it, all in one
   * step.
   * Fenced. Conflict('not-queued') when one of them is not `queued` any more; nothing is written then.
   */
  gather(input: GatherInput): Promise<void>;
  /** Records the channel's note before or while it sends. Fenced. Gone('unknown-turn'), Invalid('anchor-too-large'). */
  setAnchor(lease: Lease, turnId: TurnId, anchor: Json): Promise<void>;
  /** Fails with Conflict('lease-lost') unless the lease still holds: asked right before a send. */
  check(lease: Lease): Promise<void>;
  /**
   * Closes a committed turn, and keeps the first timeline that comes with a closing. Fenced; closing twice is harmless.
   * Gone('unknown-turn'), Invalid('not-committed').
   */
  settle(
    lease: Lease,
    turnId: TurnId,
    status: 'delivered' | 'undeliverable',
    timeline?: Timeline,
  ): Promise<void>;
  /**
   * Gives the lease back; does nothing when it is no longer ours. `forgive` takes back the attempt that begin
   * counted for this turn: what failed was not the turn's fault (the model was unavailable).
   */
  release(lease: Lease, options?: { readonly forgive?: TurnId }): Promise<void>;
  /**
   * Leases a session, expired or not, for upkeep without a turn: grants fence + 1, changes nothing else.
   * Gone('unknown-session'), or Refused('lease-busy') while someone else's lease is alive.
   */
  lease(input: LeaseInput): Promise<{ readonly lease: Lease; readonly head: SessionHead }>;
  /** Asks a turn to stop. Gone('unknown-turn') if there is none; a committed turn stays as it is. */
  requestStop(tenant: Tenant, turnId: TurnId): Promise<TurnRecord>;
  /**
   * Lets the reply of an `undeliverable` turn be sent once more: it becomes `committed` again. Any other turn stays
   * as it is. Gone('unknown-turn').
   */
  reopen(tenant: Tenant, turnId: TurnId): Promise<TurnRecord>;

  getTurn(tenant: Tenant, turnId: TurnId): Promise<TurnRecord | null>;
  /** null when absent or expired. */
  getMapping(key: SessionKey): Promise<SessionMapping | null>;
  /** null when absent, or expired unless those are asked for. */
  getHead(
    tenant: Tenant,
    sessionId: SessionId,
    options?: { readonly expired?: boolean },
  ): Promise<SessionHead | null>;
  /** Live conversations of a tenant (of one channel, and one bot of it, if given), most recently used first. */
  listMappings(tenant: Tenant, options?: ListOptions & OfChannel): Promise<Page<SessionMapping>>;
  /** A tenant's sessions, most recently used first; `sessionKey` narrows to one conversation. */
  listHeads(tenant: Tenant, options?: ListOptions & { sessionKey?: SessionKey }): Promise<Page<SessionHead>>;
  /** Turns of one conversation in arrival order, the newest page first. */
  listTurns(key: SessionKey, options?: ListOptions): Promise<Page<TurnRecord>>;
  /**
   * Makes a session from elsewhere known, and points the conversation at it. Conflict('session-exists') when the
   * id is taken.
   */
  adopt(input: AdoptInput): Promise<void>;
  /**
   * Removes the conversation's mapping and every ledger line and head of its sessions, also what it left under the
   * key that it was moved from; returns the ids of those
   * sessions, whose objects the caller removes. `keep`: this line stays, so that its message, should it come again, is
   * known. Refused('lease-busy') while a turn runs.
   */
  erase(key: SessionKey, keep?: TurnId): Promise<readonly SessionId[]>;
  /** Absent where the platform deletes what has expired by itself (DynamoDB's time to live). */
  readonly expired?: ExpiredSessions;
  close(): Promise<void>;
}

/** What is left of sessions whose retention is over. A sweeper removes their objects, then what is here. */
export interface ExpiredSessions {
  /** Heads of any tenant whose retention is over, the longest expired first; at most `limit`. */
  list(limit: number): Promise<readonly SessionHead[]>;
  /** Removes a leased session's head and the expired lines of its conversation. Conflict('lease-lost'). */
  remove(lease: Lease): Promise<void>;
}

export interface LeaseInput {
  readonly tenant: Tenant;
  readonly sessionId: SessionId;
  readonly owner: string;
  readonly leaseMs: number;
}

export interface ListOptions {
  /** At most this many (default 50, at most 200). */
  readonly limit?: number;
  readonly cursor?: string;
}

/** Narrows a list; a bot has its channel. */
export interface OfChannel {
  readonly channel?: string;
  readonly bot?: string;
}

export interface AdoptInput {
  readonly sessionKey: SessionKey;
  readonly sessionId: SessionId;
  readonly generation: number;
  readonly state: Json;
  readonly retentionSec: number;
}
