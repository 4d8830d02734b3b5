// The list of past chats, newest first, by period. Promises: the order and titles of the server; a chat just begun
// stands on top before the server lists it.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { ChatSummary } from './types.js' */
import { byId, h, iconButton } from './dom.js';
import { rememberExpiry } from './expiries.js';
import { harmless } from './harmless.js';
import { briefTime, fullTime, period } from './time.js';

const REDRAW_MS = 60_000;

/**
 * @param {{
 *   api: Api, connection: Connection,
 *   onDelete: (chat: ChatSummary) => void,
 *   onChange: () => void,
 * }} options
 */
export function createChatList({ api, connection, onDelete, onChange }) {
  const root = byId('chat-list', HTMLElement);
  const more = byId('more-chats', HTMLButtonElement);
  /** @type {Map<string, ChatSummary>} */
  let known = new Map();
  /** Begun here, not yet listed by the server. @type {Map<string, ChatSummary>} */
  const begun = new Map();
  /** @type {string | null} */
  let current = null;
  /** @type {string | null} */
  let cursor = null;
  let loaded = false;

  function all() {
    const chats = [...begun.values(), ...known.values()];
    return chats.sort((one, other) => (one.updated_at < other.updated_at ? 1 : -1));
  }

  function draw() {
    const focused =
      document.activeElement instanceof HTMLElement ? document.activeElement.dataset.focusKey : undefined;
    const chats = all();
    /** @type {Map<string, HTMLElement[]>} */
    const groups = new Map();
    for (const chat of chats) {
      const name = period(chat.updated_at);
      groups.set(name, [...(groups.get(name) ?? []), row(chat)]);
    }
    const sections = [...groups].map(([name, rows]) =>
      h('section', { class: 'chat-group' }, h('h2', {}, name), h('ul', {}, ...rows)),
    );
    const empty =
      loaded && chats.length === 0 ? [h('p', { class: 'no-chats' }, 'Chats you begin are kept here.')] : [];
    root.replaceChildren(...sections, ...empty);
    more.hidden = cursor === null;
    if (focused)
      root.querySelector(/** @type {'a'} */ (`[data-focus-key="${CSS.escape(focused)}"]`))?.focus();
    onChange();
  }

  /** @param {ChatSummary} chat */
  function row(chat) {
    const title = chat.title.trim() || 'Untitled chat';
    const link = h(
      'a',
      {
        class: 'chat-link',
        href: hashOf(chat.chat),
        'aria-current': chat.chat === current ? 'page' : null,
        'data-focus-key': `open ${chat.chat}`,
      },
      h('span', { class: 'chat-title' }, title),
      h('time', { datetime: chat.updated_at, title: fullTime(chat.updated_at) }, briefTime(chat.updated_at)),
    );
    const remove = iconButton(
      'trash',
      `Delete chat: ${title}`,
      () => onDelete(chat),
      'icon-button chat-delete',
    );
    remove.dataset.focusKey = `delete ${chat.chat}`;
    return h('li', { class: 'chat-row' }, link, remove);
  }

  async function refresh() {
    try {
      const list = await connection.untilAnswered(() => api.chats(null));
      // Pages further down stay as they were; the first page is always the truth about the newest.
      const older = [...known.values()].filter(
        (chat) =>
          known.size > list.chats.length &&
          list.cursor !== null &&
          !list.chats.some((fresh) => fresh.chat === chat.chat),
      );
      if (older.length === 0) cursor = list.cursor;
      known = new Map([...list.chats, ...older].map((chat) => [chat.chat, chat]));
      for (const chat of known.keys()) begun.delete(chat);
      for (const { chat, expires_at } of list.chats) rememberExpiry(chat, expires_at);
    } catch {
      // What is listed stays; the next look may succeed.
    }
    loaded = true;
    draw();
  }

  more.addEventListener('click', async () => {
    if (cursor === null) return;
    const from = cursor;
    const list = await connection.untilAnswered(() => api.chats(from)).catch(() => null);
    if (!list) return;
    cursor = list.cursor;
    for (const chat of list.chats) if (!known.has(chat.chat)) known.set(chat.chat, chat);
    draw();
  });
  setInterval(draw, REDRAW_MS);

  return {
    refresh,
    /** @param {string | null} chat */
    mark(chat) {
      current = chat;
      draw();
    },
    /** @param {string} chat */
    titleOf: (chat) => (known.get(chat) ?? begun.get(chat))?.title ?? null,
    /** A message was just sent in this chat. @param {string} chat @param {string} text */
    touch(chat, text) {
      const now = new Date().toISOString();
      const listed = known.get(chat);
      if (listed) known.set(chat, { ...listed, updated_at: now });
      else begun.set(chat, { ...unlisted(chat, begun.get(chat)?.title ?? text), updated_at: now });
      draw();
    },
    /** @param {string} chat */
    remove(chat) {
      known.delete(chat);
      begun.delete(chat);
      draw();
    },
    /** The row below this chat's, else the one above: where one goes on once it is gone. @param {string} chat */
    neighbour(chat) {
      const rows = all().map((listed) => listed.chat);
      const at = rows.indexOf(chat);
      return at < 0 ? null : (rows[at + 1] ?? rows[at - 1] ?? null);
    },
    /** Puts the focus on a chat's row; false where it is not listed. @param {string | null} chat */
    focus(chat) {
      const link = /** @type {HTMLElement | null} */ (
        root.querySelector(`[data-focus-key="${CSS.escape(`open ${chat}`)}"]`)
      );
      link?.focus();
      return link !== null;
    },
  };
}

/** @param {string} chat @param {string} text @returns {ChatSummary} */
function unlisted(chat, text) {
  const line = harmless(text).trim().replace(/\s+/g, ' ');
  const title = line.length > 60 ? `${cutBefore(line, 59)}…` : line;
  return { chat, channel: 'http', title, session_id: null, created_at: '', updated_at: '', expires_at: '' };
}

/** The whole characters (as people see them) within the first `end` units. @param {string} text @param {number} end */
function cutBefore(text, end) {
  const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text);
  return text.slice(0, graphemes.containing(end)?.index ?? end).trimEnd();
}

/** The address of a chat within the page. @param {string | null} chat */
export function hashOf(chat) {
  return chat === null ? '#/' : `#/c/${encodeURIComponent(chat)}`;
}
