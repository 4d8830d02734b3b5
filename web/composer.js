// The box one writes in. Promises: what is typed is kept per chat until it is sent, and leaves the box only when it was
// taken; Enter sends and Shift+Enter breaks the line, but where fingers type Enter breaks it; the stop button is there exactly while a turn runs or waits.
import { byId } from './dom.js';
import { draftOf, keepDraft } from './drafts.js';

/** The server's own limit for one message. */
const MAX_LENGTH = 100_000;

/**
 * @param {{
 *   onSend: (kind: 'message' | 'new', text: string) => void, onStop: () => void,
 *   attachments: { isEmpty(): boolean, isReady(): boolean },
 * }} options
 */
export function createComposer({ onSend, onStop, attachments }) {
  const form = byId('composer', HTMLFormElement);
  const input = byId('message', HTMLTextAreaElement);
  const sendButton = byId('send', HTMLButtonElement);
  const stopButton = byId('stop', HTMLButtonElement);
  const commands = byId('commands', HTMLElement);
  const limit = byId('limit', HTMLElement);
  const hint = byId('composer-hint', HTMLElement);
  /** @type {string | null} */
  let chat = null;
  let running = false;
  // A keyboard on glass has no Shift+Enter; the send button is under the thumb.
  const fingers = matchMedia('(pointer: coarse)');

  function show() {
    const text = input.value;
    const over = text.length - MAX_LENGTH;
    input.style.height = 'auto';
    input.style.height = `${input.scrollHeight}px`;
    const isEmpty = text.trim() === '' && attachments.isEmpty();
    sendButton.disabled = isEmpty || over > 0 || !attachments.isReady();
    const waits = attachments.isReady() ? '' : ' (files are still on their way)';
    const label = `${running ? 'Queue message' : 'Send message'}${waits}`;
    sendButton.setAttribute('aria-label', label);
    sendButton.title = label;
    commands.hidden = !(/^\/\w*$/.test(text) && '/new'.startsWith(text) && text !== '/new');
    limit.hidden = text.length < MAX_LENGTH * 0.9;
    limit.textContent =
      over > 0
        ? `${over.toLocaleString('en')} characters too many`
        : `${(-over).toLocaleString('en')} characters left`;
    hint.textContent = running
      ? 'A message sent now waits for its turn. Esc stops the running one.'
      : fingers.matches
        ? '/new starts a fresh session.'
        : 'Enter sends, Shift+Enter makes a new line. /new starts a fresh session, /undo takes the last turn back.';
    input.enterKeyHint = fingers.matches ? 'enter' : 'send';
  }

  /** @param {string} text */
  function write(text) {
    input.value = text;
    keepDraft(chat, text);
    show();
  }

  function send() {
    const text = input.value;
    const from = chat;
    if (sendButton.disabled) return;
    const [isNew, rest] = /^\s*\/new(?:\s+(\S[\s\S]*))?\s*$/.exec(text) ?? [];
    if (isNew !== undefined) onSend('new', '');
    if (isNew === undefined) onSend('message', text);
    else if (rest !== undefined) onSend('message', rest);
    // A first message has begun a chat: this box is that chat's by now.
    keepDraft(from, '');
    if (chat === from) write('');
    input.focus();
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    send();
  });
  input.addEventListener('keydown', (event) => {
    // Enter that ends the composition of an input method is not meant as "send".
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    if (fingers.matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    send();
  });
  input.addEventListener('input', () => {
    keepDraft(chat, input.value);
    show();
  });
  stopButton.addEventListener('click', () => {
    onStop();
    input.focus();
  });
  commands.addEventListener('click', () => {
    write('/new');
    input.focus();
  });
  addEventListener('resize', show);
  fingers.addEventListener('change', show);

  return {
    focus: () => input.focus(),
    write,
    show,
    isEmpty: () => input.value.trim() === '',
    /** @param {string | null} next */
    open(next) {
      chat = next;
      input.value = draftOf(next);
      show();
    },
    /** @param {{ running: boolean, stopping: boolean }} activity */
    showActivity(activity) {
      running = activity.running;
      stopButton.hidden = !activity.running;
      stopButton.disabled = activity.stopping;
      stopButton.title = activity.stopping ? 'Stopping' : 'Stop (Esc)';
      show();
    },
  };
}
