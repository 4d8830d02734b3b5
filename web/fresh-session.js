// A new session that was asked for and has not begun: it begins with the next message, so it can be undone until then.
// Kept per chat, so a reload and the chat's other tabs know of it.
import { byId } from './dom.js';
import { read, remove, write } from './storage.js';

const PREFIX = 'fresh.';

/** @param {{ onUndo: (chat: string) => void }} options */
export function createFreshSession({ onUndo }) {
  const box = byId('fresh', HTMLElement);
  /** @type {string | null} */
  let chat = null;

  function show() {
    box.hidden = chat === null || read(PREFIX + chat) === null;
  }

  // Another tab's word may come before what it wrote: storage reaches other tabs a moment later, with an event of its own.
  addEventListener('storage', show);

  byId('undo-fresh', HTMLButtonElement).addEventListener('click', () => {
    if (chat === null) return;
    remove(PREFIX + chat);
    show();
    onUndo(chat);
  });

  return {
    /** @param {string | null} next */
    open(next) {
      chat = next;
      show();
    },
    show,
    /** @param {string} asked */
    ask(asked) {
      write(PREFIX + asked, new Date().toISOString());
      show();
    },
    /** Hands the wish over to whoever sends it; true if there was one. @param {string} sending */
    take(sending) {
      const asked = read(PREFIX + sending) !== null;
      remove(PREFIX + sending);
      show();
      return asked;
    },
  };
}
