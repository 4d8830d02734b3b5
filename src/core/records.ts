// What the stores keep, as the core sees it. Stores treat `state`, `consent`, `anchor`, `timeline` and `reply` as opaque JSON.

import type { Attachment, StoredFile } from './attachments.ts';
import type { SessionId, SessionKey, Tenant, TurnId } from './ids.ts';
import type { Json, TurnRequest } from './messages.ts';
import type { Question } from './question.ts';
import type { PlacedOrder } from './schedule-orders.ts';
import type { Timeline } from './timeline.ts';

/**
 * Where a conversation points. Exactly seven fields. `created_at` and `updated_at` are ISO 8601 UTC; `ttl` is
 * epoch seconds, and an item past it is absent whether or not the store has deleted it.
 */
export interface SessionMapping {
  readonly session_key: SessionKey;
  readonly session_id: SessionId;
  readonly chat_id: string;
  readonly thread_id: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly ttl: number;
}

/** One session's newest generation, and who may make the next. */
export interface SessionHead {
  readonly tenant: Tenant;
  readonly sessionId: SessionId;
  /** The conversation that began it. */
  readonly sessionKey: SessionKey;
  /** 0 before the first commit. */
  readonly generation: number;
  /** Grows by one with every lease granted. */
  readonly fence: number;
  /** What restore needs: the state layer's own record. null at generation 0. */
  readonly state: Json | null;
  /** What the people of the chat were asked and have allowed (consent.ts); absent or null before anything was. */
  readonly consent?: Json | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly expiresAtSec: number;
}

/** The right to run a session's turns now; presented with every write that follows. */
export interface Lease {
  readonly tenant: Tenant;
  readonly sessionId: SessionId;
  readonly sessionKey: SessionKey;
  readonly owner: string;
  readonly fence: number;
}

/** What the user gets: the outbox of a committed turn. */
export interface Reply {
  /** GitHub-flavoured Markdown. */
  readonly text: string;
  /** `ok`: the agent answered. `stopped`: by the user's wish. `failed`: an honest message about what went wrong. */
  readonly outcome: 'ok' | 'stopped' | 'failed';
  /** Machine-readable reason of a `failed` reply. */
  readonly code?: string;
  /** True where a demo model wrote it: every place that shows the reply says so. */
  readonly demo?: boolean;
  readonly usage?: Usage;
  /** Tokens that the conversation took of the model's context in the turn's last request. */
  readonly contextTokens?: number;
  /** The session that the conversation points at from here on, where that changed. */
  readonly movedTo?: SessionId;
  /** Of a message that another turn took with it. */
  readonly takenBy?: TurnId;
  /** When it was committed, epoch milliseconds: how long delivery may go on trying counts from here. */
  readonly fixedAtMs?: number;
  /** What people have to decide before the agent goes on: the turn has ended, and their answer is the next one. */
  readonly asked?: readonly Question[];
  /** Of an answer: the questions with what was decided, for a channel that shows it beside them. */
  readonly answered?: readonly Question[];
  /** What the agent sent along, in order. */
  readonly files?: readonly StoredFile[];
  /** What the turn has ordered about schedules: done once it is committed, before the reply goes out. */
  readonly schedules?: readonly PlacedOrder[];
  /** Not worth a message of its own in a chat. */
  readonly quiet?: boolean;
}

/** The reply of a message that another turn took with it: nothing is sent for it. */
export const GATHERED = { outcome: 'ok', text: '', code: 'gathered' } as const satisfies Reply;

export const gatheredBy = (turnId: TurnId): Reply => ({ ...GATHERED, takenBy: turnId });

/** Tokens of one turn, all models together. Money is an estimate by the SDK's price table, US dollars. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly costUsd: number;
}

/**
 * `queued` -> `running` -> `committed` -> `delivered` | `undeliverable`. A turn with `committed` or later never
 * calls the model again.
 */
export type TurnStatus = 'queued' | 'running' | 'committed' | 'delivered' | 'undeliverable';

/** One line of the ledger. */
export interface TurnRecord {
  readonly turnId: TurnId;
  readonly sessionKey: SessionKey;
  readonly tenant: Tenant;
  readonly kind: TurnRequest['kind'];
  readonly dedupeId: string;
  readonly text: string;
  /** What came with the text; absent where nothing did. */
  readonly attachments?: readonly Attachment[];
  readonly status: TurnStatus;
  /** Times a worker began it. */
  readonly attempts: number;
  readonly stopRequested: boolean;
  /** Set from the first begin. */
  readonly sessionId: SessionId | null;
  /** The generation it committed; while it runs, that of its last mid-turn checkpoint. */
  readonly generation: number | null;
  readonly reply: Reply | null;
  /** The channel's note: e.g. the id of the message that the final text will be edited into. */
  readonly anchor: Json | null;
  /** Where its time went; null until it is closed by the worker that ran it. */
  readonly timeline: Timeline | null;
  /** Grows in the order turns were accepted within one conversation (not a clock). */
  readonly sequence: number;
  readonly receivedAtMs: number;
  readonly updatedAtMs: number;
  readonly expiresAtSec: number;
}

/** True once the outcome is fixed: only delivery may still be retried. */
export function isCommitted(turn: Pick<TurnRecord, 'status'>): boolean {
  return turn.status !== 'queued' && turn.status !== 'running';
}
