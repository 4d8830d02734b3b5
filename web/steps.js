// The tool calls of a reply from an earlier visit: its events are played again beside the page, and the reply with them
// takes the place of the bare one. One turn at a time, the ones in sight first; nothing happens where events are gone.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { ScrollKeeper } from './scroll.js' */
/** @import { TurnView } from './turn-view.js' */
import { followTurn } from './events.js';
import { createReplyView } from './reply-view.js';

/** The server keeps events for a day; asking for older ones is asking in vain. */
const KEPT_MS = 25 * 60 * 60 * 1000;

/** @param {{ api: Api, connection: Connection, scroll: ScrollKeeper, signal: AbortSignal }} options */
export function createSteps({ api, connection, scroll, signal }) {
  /** @type {Map<Element, TurnView>} */
  const watched = new Map();
  /** @type {TurnView[]} */
  const waiting = [];
  let busy = false;

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const view = watched.get(entry.target);
      if (!view || !entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      watched.delete(entry.target);
      waiting.push(view);
    }
    void work();
  });
  signal.addEventListener('abort', () => observer.disconnect());

  async function work() {
    if (busy) return;
    busy = true;
    for (let view = waiting.pop(); view && !signal.aborted; view = waiting.pop()) {
      // A reply without its steps is still a reply.
      await replay(view).catch(() => {});
    }
    busy = false;
  }

  /** @param {TurnView} view */
  async function replay(view) {
    const turnId = view.turnId();
    const settled = view.settled();
    if (turnId === null || settled === null) return;
    const reply = createReplyView();
    await followTurn({
      api,
      connection,
      turnId,
      signal,
      onEvent(event) {
        if (event.type === 'status' && event.data.status === 'retrying') reply.reset();
        else reply.add(event);
      },
    });
    if (!reply.hasTools()) return;
    reply.settle(settled);
    await reply.rendered();
    if (!signal.aborted) scroll.keepPlace(() => view.takeReply(reply));
  }

  return {
    /** Brings the steps of this turn once it is in sight. @param {TurnView} view */
    bring(view) {
      const at = Date.parse(view.updatedAt());
      if (!view.needsSteps() || Date.now() - at > KEPT_MS) return;
      watched.set(view.element, view);
      observer.observe(view.element);
    },
  };
}
