// Asking before a chat is erased, and erasing it. Nothing is erased without the second click. A chat with a running turn
// is stopped and then erased, by the same click once the person knows of it.
/** @import { Api } from './api.js' */
/** @import { ChatSummary } from './types.js' */
import { byId, messageOf } from './dom.js';

/** A turn that was told to stop ends within its worker's next look; a worker that is gone takes its lease's time. */
const STOP_LIMIT_MS = 90_000;
const LOOK_MS = 700;

/**
 * @param {{
 *   api: Api, isRunning: (chat: string) => boolean,
 *   onErased: (chat: string) => void, onClosed: (chat: string) => void,
 * }} options `onClosed`: without erasing
 */
export function createDeleteDialog({ api, isRunning, onErased, onClosed }) {
  const dialog = byId('delete-dialog', HTMLDialogElement);
  const title = byId('delete-title', HTMLElement);
  const running = byId('delete-running', HTMLElement);
  const problem = byId('delete-problem', HTMLElement);
  const confirm = byId('delete-confirm', HTMLButtonElement);
  byId('delete-cancel', HTMLButtonElement).addEventListener('click', () => dialog.close());
  /** @type {ChatSummary | null} */
  let chosen = null;
  let stopsFirst = false;

  dialog.addEventListener('close', () => {
    const chat = chosen?.chat;
    chosen = null;
    if (chat !== undefined) onClosed(chat);
  });

  confirm.addEventListener('click', async () => {
    if (!chosen) return;
    const { chat } = chosen;
    const stillAsked = () => chosen?.chat === chat;
    confirm.disabled = true;
    problem.hidden = true;
    try {
      if (stopsFirst) await stopAndErase(chat, stillAsked);
      else await erase(chat);
      if (stillAsked()) {
        chosen = null;
        dialog.close();
      }
      onErased(chat);
    } catch (error) {
      if (!stillAsked()) return;
      if (isBusy(error) && !stopsFirst) offerStop(true);
      else {
        problem.textContent = messageOf(error);
        problem.hidden = false;
      }
    } finally {
      confirm.disabled = false;
      confirm.textContent = stopsFirst ? 'Stop and delete' : 'Delete';
    }
  });

  /** @param {boolean} offered */
  function offerStop(offered) {
    stopsFirst = offered;
    running.hidden = !offered;
    confirm.textContent = offered ? 'Stop and delete' : 'Delete';
  }

  /** @param {string} chat */
  async function erase(chat) {
    await api.erase(chat).catch((error) => {
      // Gone already is as good as erased.
      if (error?.status !== 404) throw error;
    });
  }

  /** @param {string} chat @param {() => boolean} stillAsked */
  async function stopAndErase(chat, stillAsked) {
    confirm.textContent = 'Stopping';
    const untilMs = Date.now() + STOP_LIMIT_MS;
    for (;;) {
      const page = await api
        .chat(chat, { cursor: null, limit: 50, signal: new AbortController().signal })
        .catch(() => null);
      // Those that wait go first: else the next one begins while this one stops.
      const open = (page?.turns ?? []).filter((turn) => turn.reply === null && !turn.stop_requested);
      for (const turn of open.reverse()) await api.stop(turn.turn_id).catch(() => {});
      try {
        return await erase(chat);
      } catch (error) {
        if (!isBusy(error) || Date.now() > untilMs) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (!stillAsked()) throw new Error('Deleting was called off.');
    }
  }

  /** @param {ChatSummary} chat */
  return function ask(chat) {
    chosen = chat;
    title.textContent = chat.title.trim() || 'Untitled chat';
    problem.hidden = true;
    offerStop(isRunning(chat.chat));
    dialog.showModal();
  };
}

/** @param {any} error */
function isBusy(error) {
  return error?.status === 409;
}
