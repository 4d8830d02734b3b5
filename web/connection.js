// Waiting out a lost connection: who is failing now, when to try again, and one quiet notice while anyone is.
import { ApiProblem, isPassing } from './api.js';

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 10_000;

/** @typedef {ReturnType<typeof createConnection>} Connection */

/** @param {{ onChange: (lost: boolean, why: string | null) => void }} options `why`: what a server that answers says */
export function createConnection({ onChange }) {
  /** Who is failing, and what the server said of it; null where it was not reached. @type {Map<unknown, string | null>} */
  const failing = new Map();
  /** @type {Set<() => void>} */
  const sleepers = new Set();

  function wake() {
    for (const sleeper of [...sleepers]) sleeper();
  }
  addEventListener('online', wake);
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') wake();
  });

  /** @param {unknown} who @param {unknown} [error] */
  function lost(who, error) {
    failing.set(who, error instanceof ApiProblem ? error.message : null);
    const said = [...failing.values()];
    onChange(true, said.includes(null) ? null : (said.at(-1) ?? null));
  }

  /** @param {unknown} who */
  function restored(who) {
    if (failing.delete(who) && failing.size === 0) onChange(false, null);
  }

  /**
   * Waits before attempt number `attempt` (1, 2 ...): longer each time, at random so that tabs do not march in
   * step, and not at all once the browser is online again or the person asks.
   * @param {number} attempt
   * @param {AbortSignal} [signal]
   * @param {number | null} [leastMs]
   * @returns {Promise<void>}
   */
  function pause(attempt, signal, leastMs = null) {
    const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt - 1, 10));
    const waitMs = Math.max(leastMs ?? 0, ceiling * (0.5 + Math.random() / 2));
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        sleepers.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      sleepers.add(done);
      signal?.addEventListener('abort', done);
      if (signal?.aborted) done();
    });
  }

  /**
   * Repeats `attempt` until it succeeds or fails for good. Only for requests that are safe to repeat.
   * @template T
   * @param {() => Promise<T>} attempt
   * @param {AbortSignal} [signal]
   * @returns {Promise<T>}
   */
  async function untilAnswered(attempt, signal) {
    const who = {};
    try {
      for (let tries = 1; ; tries += 1) {
        try {
          return await attempt();
        } catch (error) {
          if (signal?.aborted || !isPassing(error)) throw error;
          lost(who, error);
          await pause(tries, signal, error instanceof ApiProblem ? error.retryAfterMs : null);
          signal?.throwIfAborted();
        }
      }
    } finally {
      restored(who);
    }
  }

  return { lost, restored, pause, untilAnswered, wake };
}
