// Follows the open chat's first turn that is not settled, one stream at a time, and says what runs. Promises: an event
// that cannot be shown is left out; the turn and those behind it go on.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { TurnView } from './turn-view.js' */
import { messageOf } from './dom.js';
import { followTurn } from './events.js';

/** Longer replies are read out to here. */
const MAX_SAID = 600;

/** @typedef {{ running: boolean, stopping: boolean }} Activity */

/**
 * @param {{
 *   api: Api, connection: Connection, signal: AbortSignal,
 *   views: TurnView[],
 *   announce: (text: string) => void,
 *   onActivity: (activity: Activity) => void,
 *   onSettled: (demo: boolean) => void,
 *   lookAgain: () => Promise<unknown>,
 * }} options `views` is the chat's own list, which others change
 */
export function createFollowing({
  api,
  connection,
  signal,
  views,
  announce,
  onActivity,
  onSettled,
  lookAgain,
}) {
  /** @type {string | null} */
  let followed = null;

  const firstOpen = () => views.find((view) => view.phase() === 'queued' || view.phase() === 'running');

  function report() {
    if (signal.aborted) return;
    const active = firstOpen();
    onActivity({ running: active !== undefined, stopping: active?.isStopping() ?? false });
  }

  /** Reports what runs, and follows it if nobody does. */
  function settleDown() {
    if (signal.aborted) return;
    report();
    const active = firstOpen();
    const turnId = active?.turnId() ?? null;
    if (!active || turnId === null || followed === turnId) return;
    followed = turnId;
    void follow(active, turnId);
  }

  /** @param {TurnView} view @param {string} turnId */
  async function follow(view, turnId) {
    try {
      await followTurn({
        api,
        connection,
        turnId,
        signal,
        onEvent(event) {
          const before = view.phase();
          view.apply(event);
          if (before !== view.phase() && view.phase() === 'running') announce('The agent is working.');
          if (event.type === 'final') void announceReply(view);
          if (event.type !== 'text') report();
          if (event.type === 'final') onSettled(event.data.reply.demo === true);
        },
      });
      if (view.phase() !== 'settled' && !signal.aborted) await lookAgain();
    } catch (error) {
      if (signal.aborted) return;
      view.refuse(messageOf(error));
    }
    followed = null;
    settleDown();
  }

  /** @param {TurnView} view */
  async function announceReply(view) {
    await view.rendered();
    const text = [...view.reply().element.querySelectorAll('.prose')]
      .map((prose) => prose.textContent)
      .join(' ');
    const said = text.length > MAX_SAID ? `${text.slice(0, MAX_SAID)} … The reply goes on.` : text;
    const { outcome } = view.element.dataset;
    announce(outcome === 'ok' ? `Reply: ${said}` : `The turn ${outcome}. ${said}`);
  }

  return { settleDown, report };
}
