// Waiting a part's absence out (HEARD). A turn that can do nothing while the model or a store is away goes back to the
// queue, ahead of its conversation, with waits that grow; it burns no attempt, and the person reads what is waited for.
// Nothing here counts down to giving up: only a request that fails while others are answered is no outage.
import { backoffMs } from './backoff.ts';
import type { WaitingFor } from './ports.ts';

/** Ten minutes at most, so that nobody waits long once the part is back. */
const OUTAGE = { firstMs: 15_000, maxMs: 600_000, jitter: 0.1 };
/** A queue can hold a message back for twelve hours; a little less, for the time it was already held. */
export const MAX_WAIT_MS = 11 * 3_600_000;

/** So often, over so long, the model fails the same request before it is asked whether it answers others. */
const DOUBTED_AFTER_TRIES = 5;
const DOUBTED_AFTER_MS = 10 * 60_000;

/** So often a named time is believed. Then it is a lower bound: fifteen seconds, named for a day, are not true. */
const BELIEVED_TRIES = 20;

/**
 * `tries` so far, this one included. A time that the other side names is kept to the second, unless it is so short
 * that it says nothing about an outage.
 */
export function outageWaitMs(tries: number, namedMs = 0): number {
  const grownMs = Math.round(backoffMs(OUTAGE, tries));
  if (namedMs < OUTAGE.firstMs) return grownMs;
  return Math.min(MAX_WAIT_MS, tries > BELIEVED_TRIES ? Math.max(namedMs, grownMs) : namedMs);
}

/** True when an outage may be none: a server error that lasts may be of this request's own making. */
export function isDoubtful(status: number | null | undefined, tries: number, ageMs: number): boolean {
  return status === 500 && tries >= DOUBTED_AFTER_TRIES && ageMs >= DOUBTED_AFTER_MS;
}

const NAMES: Readonly<Record<WaitingFor, string>> = {
  model: 'the model, which does not answer right now',
  store: 'the storage of this conversation, which does not answer right now',
  setup: 'a setting of this installation, which cannot be read right now',
};

export interface Waiting {
  readonly waitingFor: WaitingFor;
  /** null while an answer to the last try is still hoped for. */
  readonly nextTryAtMs: number | null;
}

/** For the operator. */
export interface Outage {
  readonly waitingFor: WaitingFor;
  readonly sinceMs: number;
  readonly nextTryAtMs: number;
}

/** For the person, in place of "Working". The time is UTC: where the person is, the system does not know. */
export function waitingText({ waitingFor, nextTryAtMs }: Waiting): string {
  const at = nextTryAtMs === null ? '' : ` Next try at ${clockTime(nextTryAtMs)}.`;
  return `Waiting for ${NAMES[waitingFor]}. Your message is kept.${at}`;
}

function clockTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(11, 19)} UTC`;
}
