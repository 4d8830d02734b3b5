// A chat whose session somebody took to a computer of theirs: it says so above the conversation, and can be gone on with here.
/** @import { ChatPage } from './types.js' */
import { byId } from './dom.js';
import { fullTime } from './time.js';

/** @param {{ onGoOn: () => void }} options */
export function createAway({ onGoOn }) {
  const banner = byId('away-banner', HTMLElement);
  const since = byId('away-since', HTMLElement);
  byId('away-here', HTMLButtonElement).addEventListener('click', () => {
    banner.hidden = true;
    onGoOn();
  });
  return {
    /** @param {Pick<ChatPage, 'away_since'> | null} page */
    show(page) {
      const at = page?.away_since ?? null;
      banner.hidden = at === null;
      since.textContent = at === null ? '' : fullTime(at);
    },
  };
}
