// The open chat is not on the server: the page says what is known of why, never more.
import { byId } from './dom.js';
import { expiredAt } from './expiries.js';
import { fullTime } from './time.js';

/** @param {{ announce: (text: string) => void }} options */
export function createMissing({ announce }) {
  const box = byId('missing', HTMLElement);
  const heading = byId('missing-heading', HTMLElement);
  const why = byId('missing-why', HTMLElement);
  return {
    /** @param {string} chat */
    show(chat) {
      const expired = expiredAt(chat);
      heading.textContent = expired ? 'This chat has expired' : 'This chat is not here';
      why.textContent = expired
        ? `Nobody wrote in it for so long that it was let go on ${fullTime(expired)}.`
        : 'It was deleted, or no chat of this name has begun.';
      box.hidden = false;
      announce(heading.textContent);
    },
    hide() {
      box.hidden = true;
    },
  };
}
