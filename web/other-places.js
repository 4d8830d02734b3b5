// The same chat in other places: tabs of this browser tell each other at once that something changed; what other
// browsers, terminals and programs do is found by looking, often after something happened and seldom when all is quiet.

const CHANNEL = 'hybrid-sessions';
const SOONEST_MS = 4_000;
const SELDOMEST_MS = 60_000;
const GROWTH = 1.5;

/** @typedef {{ kind: 'changed' | 'erased', chat: string }} Tidings */

/**
 * @param {{ onTidings: (tidings: Tidings) => void, look: () => Promise<boolean> }} options
 *   `look` reads the open chat again; true if there was something new.
 */
export function createOtherPlaces({ onTidings, look }) {
  const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel(CHANNEL) : null;
  let waitMs = SOONEST_MS;
  let timer = 0;

  channel?.addEventListener('message', ({ data }) => {
    if (typeof data?.chat === 'string' && (data.kind === 'changed' || data.kind === 'erased'))
      onTidings(data);
  });

  /** Something happened: more may soon. */
  function lookSoon() {
    waitMs = SOONEST_MS;
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    if (document.visibilityState !== 'visible') return;
    timer = setTimeout(async () => {
      waitMs = Math.min(SELDOMEST_MS, waitMs * GROWTH);
      if (await look().catch(() => false)) waitMs = SOONEST_MS;
      schedule();
    }, waitMs);
  }

  document.addEventListener('visibilitychange', lookSoon);
  lookSoon();

  return {
    lookSoon,
    /** @param {Tidings['kind']} kind @param {string} chat */
    tell(kind, chat) {
      channel?.postMessage({ kind, chat });
      lookSoon();
    },
  };
}
