// What was typed and not sent, per chat, in local storage: a reload, a crash or another chat never loses it.

const PREFIX = 'hybrid-sessions.draft.';
const NEW_CHAT = '(new)';

/** @param {string | null} chat null: the chat that has not begun */
export function draftOf(chat) {
  return localStorage.getItem(PREFIX + (chat ?? NEW_CHAT)) ?? '';
}

/** @param {string | null} chat @param {string} text */
export function keepDraft(chat, text) {
  const name = PREFIX + (chat ?? NEW_CHAT);
  try {
    if (text === '') localStorage.removeItem(name);
    else localStorage.setItem(name, text);
  } catch {
    // Full storage: the text still stands in the box.
  }
}
