// The page's wiring: which chat is open (the address says so), and who tells whom. No rule of its own beyond that.
import { createApi } from './api.js';
import { ATTACHED, createAttachments } from './attachments.js';
import { createAway } from './away.js';
import { createChatList, hashOf } from './chat-list.js';
import { createComposer } from './composer.js';
import { createConnection } from './connection.js';
import { createConversation } from './conversation.js';
import { listenForCopy } from './copy.js';
import { createDeleteDialog } from './delete-dialog.js';
import { byId, messageOf } from './dom.js';
import { DRAFTS, keepDraft } from './drafts.js';
import { createDrawer } from './drawer.js';
import { forgetExpiry, rememberExpiry } from './expiries.js';
import { createFileTree } from './file-tree.js';
import { createFreshSession } from './fresh-session.js';
import { createKeys } from './keys.js';
import { createMissing } from './missing.js';
import { createOtherPlaces } from './other-places.js';
import { createOutbox, OUTBOX, randomId } from './outbox.js';
import { createPermissionsPanel } from './permissions-panel.js';
import { createPictureDialog } from './picture-dialog.js';
import { createSchedulesPanel } from './schedules-panel.js';
import { createScrollKeeper } from './scroll.js';
import { createSheet } from './sheet.js';
import { isFragile, onChange } from './storage.js';
import { createTimelineDialog } from './timeline-dialog.js';
import { createTurnFiles } from './turn-files.js';
import { createTurnMenu } from './turn-menu.js';

const UNTITLED = 'New chat';

const page = {
  turns: byId('turns', HTMLElement),
  older: byId('older', HTMLButtonElement),
  empty: byId('empty', HTMLElement),
  fragile: byId('fragile', HTMLElement),
  scroller: byId('scroller', HTMLElement),
  title: byId('chat-name', HTMLElement),
  banner: byId('demo-banner', HTMLElement),
  ownersNotice: byId('notice-banner', HTMLElement),
  notice: byId('connection', HTMLElement),
  noticeText: byId('connection-text', HTMLElement),
  live: byId('live', HTMLElement),
  newSession: byId('new-session', HTMLButtonElement),
  fork: byId('fork', HTMLButtonElement),
  details: byId('details', HTMLButtonElement),
};

const newChat = byId('new-chat', HTMLElement);

/** @type {string | null} */
let chat = null;
let running = false;

const api = createApi({ keys: createKeys() });
const connection = createConnection({
  onChange(lost, why) {
    page.notice.hidden = !lost;
    const what = why === null ? 'Connection lost.' : `The server cannot do it right now: ${why}`;
    const words = `${what} Trying again; nothing you wrote is lost.`;
    if (lost && page.noticeText.textContent !== words) page.noticeText.textContent = words;
  },
});
const drawer = createDrawer();
const missing = createMissing({ announce });
const pictures = createPictureDialog();
const timelines = createTimelineDialog({ api });
const away = createAway({ onGoOn: () => send('message', '/handoff here') });
const sheet = createSheet({
  files: createFileTree({ api, announce }),
  schedules: createSchedulesPanel({ api, connection, announce, onRun: lookAgain }),
  allowed: createPermissionsPanel({ api, connection, announce, onWithdrawn: lookAgain }),
});
const attachments = createAttachments({
  api,
  connection,
  announce,
  newChatName,
  onChange: () => composer.show(),
});
const scroll = createScrollKeeper(
  page.scroller,
  byId('column', HTMLElement),
  byId('jump', HTMLButtonElement),
);

const chatList = createChatList({
  api,
  connection,
  onDelete: (summary) => askDelete(summary),
  onChange: showTitle,
});
const askDelete = createDeleteDialog({
  api,
  isRunning: (asked) => asked === chat && running,
  onErased(erased) {
    otherPlaces.tell('erased', erased);
    const next = chatList.neighbour(erased);
    const wasOpen = erased === chat;
    forgetChat(erased, 'Chat deleted.');
    // The row with the focus is gone: the next one takes it, or the box to write in where the page begins anew.
    if (!(wasOpen && !drawer.isOpen()) && !chatList.focus(next)) newChat.focus();
  },
  onClosed: (kept) => chatList.focus(kept),
});
const outbox = createOutbox({
  api,
  connection,
  onAccepted(entry, accepted) {
    conversation.accepted(entry, accepted);
    otherPlaces.tell('changed', entry.chat);
  },
  onRefused(entry) {
    conversation.refused(entry);
    otherPlaces.tell('changed', entry.chat);
  },
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
  onRepeat(text) {
    send('message', text);
    focusOn();
  },
  onCancelled: focusOn,
  onAnswered() {
    focusOn();
    if (chat !== null) otherPlaces.tell('changed', chat);
  },
  onEdit(view) {
    composer.write(view.text);
    if (view.key !== null) attachments.giveBack(view.key, view.files);
    composer.focus();
  },
  filesOf: (files) =>
    createTurnFiles(files, { api, announce, onPicture: (picture) => pictures.show(picture) }),
  menuOf: (of) =>
    createTurnMenu(of, {
      api,
      announce,
      onUndo: (turns) => send('message', `/undo ${turns}`),
      onFork: (fork) => void forkAt(fork),
      onTimeline: (turnId, opener) => void timelines.show(turnId, opener),
    }),
  onChanged: (changed) => otherPlaces.tell('changed', changed),
  onMissing: missing.show,
  onLoaded(loaded) {
    missing.hide();
    away.show(loaded);
    rememberExpiry(loaded.chat, loaded.expires_at);
    if (loaded.turns.some((turn) => turn.reply?.demo)) page.banner.hidden = false;
  },
});
const fresh = createFreshSession({
  onUndo(undone) {
    announce('The session goes on.');
    otherPlaces.tell('changed', undone);
    focusOn();
  },
});
const otherPlaces = createOtherPlaces({
  onTidings(tidings) {
    if (tidings.kind === 'erased') return forgetChat(tidings.chat, 'Chat deleted in another tab.');
    void chatList.refresh();
    if (tidings.chat !== chat) return;
    fresh.show();
    void conversation.refresh();
  },
  async look() {
    const [isNew] = await Promise.all([conversation.refresh(), chatList.refresh()]);
    return isNew;
  },
});
const composer = createComposer({ onSend: send, onStop: () => conversation.stop(), attachments });

/** @param {'message' | 'new'} kind @param {string} text */
function send(kind, text) {
  if (chat === null) {
    if (kind === 'new') return;
    // The address changes before anything is sent: a reload at any moment finds the chat again.
    chat = attachments.plannedChat() ?? newChatName();
    history.pushState(null, '', hashOf(chat));
    const begun = chat;
    outbox.add(begun, kind, text, { attached: attachments.take() });
    chatList.touch(begun, text);
    show();
    otherPlaces.tell('changed', begun);
    return;
  }
  if (kind === 'new') {
    fresh.ask(chat);
    scroll.toBottom();
    announce('A new session begins with your next message.');
    if (isFinePointer()) composer.focus();
  } else {
    if (fresh.take(chat)) put(chat, 'new', '');
    put(chat, kind, text);
    missing.hide();
    chatList.touch(chat, text);
  }
  otherPlaces.tell('changed', chat);
}

function newChatName() {
  return `web-${randomId().replaceAll('-', '').slice(0, 20)}`;
}

/** What was done beside the conversation may have begun a turn in it. @param {string} changed */
function lookAgain(changed) {
  if (changed === chat) void conversation.refresh();
  otherPlaces.tell('changed', changed);
}

/** Another chat that goes on after a turn of this one. @param {{ from: string, to: string, after: number, key: string }} fork */
async function forkAt({ from, to, after, key }) {
  announce('Forking.');
  try {
    const forked = await connection.untilAnswered(() => api.fork(from, to, key));
    if (forked.reply.outcome !== 'ok') throw new Error(forked.reply.text);
    if (after > 0) await connection.untilAnswered(() => api.undo(to, after, key));
    await chatList.refresh();
    if (chat === from) location.hash = hashOf(to);
    announce('This is the other chat.');
  } catch (error) {
    announce(messageOf(error));
    page.noticeText.textContent = `Not forked. ${messageOf(error)}`;
    page.notice.hidden = false;
  }
}

/** @param {string} open @param {'message' | 'new'} kind @param {string} text */
function put(open, kind, text) {
  // What a button says for the person is no message that takes the files with it.
  const attached = kind === 'message' && !text.startsWith('/') ? attachments.take() : null;
  if (conversation.send(kind, text, { attached })) return;
  // The chat was found gone meanwhile: this message begins it again.
  outbox.add(open, kind, text, { attached });
  show();
}

function route() {
  // Only addresses of chats lead anywhere; any other fragment is none of ours.
  if (location.hash !== '' && !location.hash.startsWith('#/')) return;
  const [, encoded] = /^#\/c\/([^/?]+)/.exec(location.hash) ?? [];
  chat = encoded === undefined ? null : decode(encoded);
  drawer.close();
  show();
}

function show() {
  page.empty.hidden = chat !== null;
  missing.hide();
  page.newSession.hidden = chat === null;
  page.fork.hidden = chat === null;
  page.details.hidden = chat === null;
  away.show(null);
  attachments.open(chat);
  fresh.open(chat);
  composer.open(chat);
  chatList.mark(chat);
  void conversation.show(chat);
  focusOn();
}

function isFinePointer() {
  return matchMedia('(pointer: fine)').matches;
}

/** Where one goes on when what had the focus is gone. */
function focusOn() {
  // Where typing brings up a keyboard over half the screen, that is the person's to ask for.
  if (isFinePointer()) composer.focus();
  else page.scroller.focus({ preventScroll: true });
}

function showTitle() {
  const title = (chat !== null && chatList.titleOf(chat)?.trim()) || (chat === null ? UNTITLED : 'Chat');
  page.title.textContent = title;
  document.title = `${title} · hybrid-sessions`;
}

/** @param {string} erased @param {string} words */
function forgetChat(erased, words) {
  outbox.forget(erased);
  fresh.take(erased);
  keepDraft(erased, '');
  attachments.forgetChat(erased);
  forgetExpiry(erased);
  chatList.remove(erased);
  announce(words);
  if (erased !== chat) return;
  history.pushState(null, '', hashOf(null));
  chat = null;
  show();
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
  page.ownersNotice.hidden = info.notice === undefined;
  page.ownersNotice.textContent = info.notice ?? '';
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
  // A tab that was closed may have left something behind.
  outbox.flushAll();
});
onChange(showFragile);
addEventListener('beforeunload', (event) => {
  if (isFragile([OUTBOX, DRAFTS, ATTACHED]) || attachments.isFragile()) event.preventDefault();
});

function showFragile() {
  page.fragile.hidden = !isFragile([OUTBOX, DRAFTS, ATTACHED]);
}
for (const example of document.querySelectorAll('.example')) {
  example.addEventListener('click', () =>
    send('message', /** @type {HTMLElement} */ (example).dataset.prompt ?? ''),
  );
}
byId('retry', HTMLButtonElement).addEventListener('click', () => {
  connection.wake();
  focusOn();
});
byId('skip', HTMLAnchorElement).addEventListener('click', (event) => {
  // The fragment is the chat's address: following the link would leave the chat.
  event.preventDefault();
  composer.focus();
});
page.older.addEventListener('click', async () => {
  await conversation.loadOlder();
  if (page.older.hidden) page.scroller.focus({ preventScroll: true });
});
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) void conversation.loadOlder();
}).observe(page.older);
page.newSession.addEventListener('click', () => send('new', ''));
page.fork.addEventListener('click', () => send('message', '/fork'));
page.details.addEventListener('click', () => {
  if (chat !== null) sheet.open(chat);
});
newChat.addEventListener('click', () => {
  drawer.close();
  composer.focus();
});
addEventListener('hashchange', route);
listenForCopy(announce);

route();
void chatList.refresh();
outbox.flushAll();
void showInfo().catch(() => {});
