// Until when chats are kept, as the server last said: a chat that is not there any more can be called expired.
import { read, write } from './storage.js';

const NAME = 'expiries';
const MAX_KEPT = 300;

/** @param {string} chat @param {string | null | undefined} iso */
export function rememberExpiry(chat, iso) {
  if (!iso) return;
  const { [chat]: known, ...others } = all();
  if (known === iso) return;
  // The newest stand last; the oldest are given up first.
  write(NAME, JSON.stringify(Object.fromEntries([...Object.entries(others), [chat, iso]].slice(-MAX_KEPT))));
}

/** It was erased: nothing is left to expire. @param {string} chat */
export function forgetExpiry(chat) {
  const { [chat]: known, ...others } = all();
  if (known !== undefined) write(NAME, JSON.stringify(others));
}

/** When the chat expired; null where nothing says that it did. @param {string} chat @returns {string | null} */
export function expiredAt(chat) {
  const iso = all()[chat];
  return iso !== undefined && Date.parse(iso) <= Date.now() ? iso : null;
}

/** @returns {Record<string, string>} */
function all() {
  try {
    const kept = JSON.parse(read(NAME) ?? '{}');
    return typeof kept === 'object' && kept !== null ? kept : {};
  } catch {
    return {};
  }
}
