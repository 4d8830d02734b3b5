// The page's wiring: which chat is open (the address says so), and who tells whom. No rule of its own beyond that.
/** @import { ChatSummary } from './types.js' */
import { createApi } from './api.js';
import { createChatList, hashOf } from './chat-list.js';
import { createComposer } from './composer.js';
import { createConnection } from './connection.js';
import { createConversation } from './conversation.js';
import { listenForCopy } from './copy.js';
import { createDeleteDialog } from './delete-dialog.js';
import { byId } from './dom.js';
import { keepDraft } from './drafts.js';
import { createDrawer } from './drawer.js';
import { createKeys } from './keys.js';
import { createOutbox, randomId } from './outbox.js';
import { createScrollKeeper } from './scroll.js';

const UNTITLED = 'New chat';

const page = {
  turns: byId('turns', HTMLElement),
  older: byId('older', HTMLButtonElement),
  empty: byId('empty', HTMLElement),
  missing: byId('missing', HTMLElement),
  title: byId('chat-name', HTMLElement),
  banner: byId('demo-banner', HTMLElement),
  notice: byId('connection', HTMLElement),
  live: byId('live', HTMLElement),
  newSession: byId('new-session', HTMLButtonElement),
};

/** @type {string | null} */
let chat = null;
let running = false;

const api = createApi({ keys: createKeys() });
const connection = createConnection({
  onChange(lost) {
    page.notice.hidden = !lost;
  },
});
const drawer = createDrawer();
const scroll = createScrollKeeper(
  byId('scroller', HTMLElement),
  byId('column', HTMLElement),
  byId('jump', HTMLButtonElement),
);

const chatList = createChatList({ api, connection, onDelete: confirmDelete, onChange: showTitle });
const askDelete = createDeleteDialog({ api, onErased });
const outbox = createOutbox({
  api,
  connection,
  onAccepted: (entry, accepted) => conversation.accepted(entry, accepted),
  onRefused: (entry, error) => conversation.refused(entry, error),
});
const conversation = createConversation({
  root: page.turns,
  older: page.older,
  api,
  connection,
  scroll,
  outbox: () => outbox,
  announce,
  onActivity(activity) {
    running = activity.running;
    composer.showActivity(activity);
  },
  onSettled(demo) {
    if (demo) page.banner.hidden = false;
    void chatList.refresh();
  },
  onEdit(text) {
    composer.write(text);
    composer.focus();
  },
  onMissing() {
    page.missing.hidden = false;
  },
  onLoaded(turns) {
    if (turns.some((turn) => turn.reply?.demo)) page.banner.hidden = false;
  },
});
const composer = createComposer({ onSend: send, onStop: () => conversation.stop() });

/** @param {'message' | 'new'} kind @param {string} text */
function send(kind, text) {
  if (chat === null) {
    if (kind === 'new') return;
    // The address changes before anything is sent: a reload at any moment finds the chat again.
    chat = `web-${randomId().replaceAll('-', '').slice(0, 20)}`;
    history.pushState(null, '', hashOf(chat));
    const begun = chat;
    outbox.add(begun, kind, text);
    chatList.touch(begun, text);
    show();
    return;
  }
  conversation.send(kind, text);
  page.missing.hidden = true;
  chatList.touch(chat, text || '/new');
}

function route() {
  const [, encoded] = /^#\/c\/([^/?]+)/.exec(location.hash) ?? [];
  chat = encoded === undefined ? null : decode(encoded);
  drawer.close();
  show();
}

function show() {
  page.empty.hidden = chat !== null;
  page.missing.hidden = true;
  page.newSession.hidden = chat === null;
  composer.open(chat);
  chatList.mark(chat);
  void conversation.show(chat);
  if (matchMedia('(pointer: fine)').matches) composer.focus();
}

function showTitle() {
  const title = (chat !== null && chatList.titleOf(chat)?.trim()) || (chat === null ? UNTITLED : 'Chat');
  page.title.textContent = title;
  document.title = `${title} · hybrid-sessions`;
}

/** @param {ChatSummary} summary */
function confirmDelete(summary) {
  askDelete(summary);
}

/** @param {string} erased */
function onErased(erased) {
  outbox.forget(erased);
  keepDraft(erased, '');
  chatList.remove(erased);
  announce('Chat deleted.');
  if (erased === chat) location.hash = hashOf(null);
}

/** @param {string} text */
function announce(text) {
  // The same words twice are read twice only if they went away between.
  page.live.textContent = '';
  setTimeout(() => {
    page.live.textContent = text;
  }, 50);
}

/** @param {string} encoded */
function decode(encoded) {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return null;
  }
}

async function showInfo() {
  const info = await connection.untilAnswered(() => api.info());
  page.banner.hidden = !info.model.demo;
  const model = byId('model', HTMLElement);
  model.textContent = info.model.demo ? 'Demo model' : info.model.name;
  model.title = `hybrid-sessions ${info.version}`;
}

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
  if (drawer.isOpen()) drawer.close();
  else if (running && !event.isComposing) conversation.stop();
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'visible') return;
  void chatList.refresh();
  void conversation.refresh();
});
for (const example of document.querySelectorAll('.example')) {
  example.addEventListener('click', () =>
    send('message', /** @type {HTMLElement} */ (example).dataset.prompt ?? ''),
  );
}
byId('retry', HTMLButtonElement).addEventListener('click', () => connection.wake());
page.older.addEventListener('click', () => void conversation.loadOlder());
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) void conversation.loadOlder();
}).observe(page.older);
page.newSession.addEventListener('click', () => send('new', ''));
byId('new-chat', HTMLElement).addEventListener('click', () => {
  drawer.close();
  composer.focus();
});
addEventListener('hashchange', route);
listenForCopy(announce);

route();
void chatList.refresh();
outbox.flushAll();
void showInfo().catch(() => {});
