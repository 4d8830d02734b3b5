// A plan as plain data: who writes or does what and when, and which fault happens where; and the words of its messages.
import type { TurnPoint } from '../../src/core/running-turn.ts';
import type { Act } from './act.ts';
import type { HostStep } from './host-faults.ts';

/** Where a fault waits: a named point of the turn, or a call of a port. */
export type Place =
  | `at:${TurnPoint}`
  | `store.${StoreCall | 'erase'}`
  | `objects.${'put' | 'get' | 'stream'}`
  | `queue.${'ack' | 'extend' | 'retry' | 'receive'}`
  | `server.${'accept' | 'send' | 'answer'}`
  | `host:${HostStep}`
  | 'hot:rest'
  | 'model'
  | 'telegram';
export type StoreCall = (typeof STORE_CALLS)[number];
export const STORE_CALLS = [
  'begin',
  'renew',
  'commit',
  'advance',
  'setAnchor',
  'check',
  'settle',
  'release',
] as const;

export interface PlannedFault {
  /** Unique in the plan. */
  readonly id: string;
  /** The message whose turn it strikes. */
  readonly message: number;
  readonly place: Place;
  /**
   * Processes: `kill` (SIGKILL), `pause` (SIGSTOP for `ms`), `agent-kill` (SIGKILL of the agent's process),
   * `deadline` (as SIGTERM). Calls: `refuse` (did not happen), `lose` (happened, the answer is lost), `slow`, `full`
   * (no space on the disk), `cut` (breaks off in the middle), `repeat` (the delivery comes again, later).
   * Hosts: `kill`, and what host-faults.ts lists; between two turns, what hot-faults.ts lists.
   * Model: a status, `cut`, `hang`, `slow`. Telegram: `rate-limit`, a status, `cut-before`, `cut-after`, `slow`.
   */
  readonly how: string;
  readonly ms?: number;
  /** Model: the time that it names. */
  readonly retryAfterSec?: number;
  /** Lets this many fitting calls pass first. */
  readonly after?: number;
  /** Telegram: which method. */
  readonly method?: 'sendMessage' | 'editMessageText' | 'deleteMessage';
}

export interface PlannedMessage {
  readonly number: number;
  readonly channel: 'telegram' | 'http';
  /** Number of the chat; its canary and its name follow from it. */
  readonly chat: number;
  /** Pause before it is written, after the one before it in the same chat. */
  readonly pauseMs: number;
  /** Sent this many times besides, at the same moment. */
  readonly duplicates: number;
  /** Sent again this long after it was acknowledged; null for never. */
  readonly againAfterMs: number | null;
  /** What is done in place of writing a message. */
  readonly act?: Act;
}

export interface Plan {
  readonly seed: number;
  readonly workers: number;
  /** How far each worker's clock is off. */
  readonly skewMs: readonly number[];
  readonly messages: readonly PlannedMessage[];
  readonly faults: readonly PlannedFault[];
}

export const canaryOf = (chat: number): string => `canary${chat}x${(chat * 7919) % 997}`;
/** What the agent reads of it. */
export const promptOf = ({ number, chat, act }: Pick<PlannedMessage, 'number' | 'chat' | 'act'>): string => {
  const what = `#m${number} for ${canaryOf(chat)}`;
  if (act?.kind === 'ask') return `Ask first, then note ${what}, please.`;
  if (act?.kind === 'schedule') return `Note ${what}, and come back to me.`;
  if (act?.kind === 'wake') return `Wake up and note ${what}.`;
  return act?.kind === 'btw' ? `By the way, note ${what}, too.` : `Note ${what}, please.`;
};
export const numberIn = (text: string): number | null => {
  const found = /#m(\d+)/.exec(text)?.[1];
  return found === undefined ? null : Number(found);
};
