// What was typed and not sent, per chat: a reload, a crash or another chat never loses it.
import { read, remove, write } from './storage.js';

export const DRAFTS = 'draft.';
const NEW_CHAT = '(new)';

/** @param {string | null} chat null: the chat that has not begun */
export function draftOf(chat) {
  return read(DRAFTS + (chat ?? NEW_CHAT)) ?? '';
}

/** @param {string | null} chat @param {string} text */
export function keepDraft(chat, text) {
  const name = DRAFTS + (chat ?? NEW_CHAT);
  if (text === '') remove(name);
  else write(name, text);
}
