// Files of the message that is being written: chosen, dropped or pasted. Each is brought to the server at once, under the key
// that the message will have, so sending waits for nothing; what was brought is kept per chat like a draft, over a reload.
// Promises: a message goes out with all of its files or not at all.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { UploadedFile } from './types.js' */
import { byId, h, icon, iconButton, messageOf } from './dom.js';
import { harmless } from './harmless.js';
import { randomId } from './outbox.js';
import { read, remove, write } from './storage.js';
import { sizeText } from './turn-files.js';

export const ATTACHED = 'attached.';
const NEW_CHAT = '(new)';
/** As the server has them. */
const MAX_FILES = 20;
const MAX_BYTES = 50 * 1024 * 1024;

/** @typedef {{ chat: string, key: string, files: (UploadedFile & { bytes: number })[] }} Kept */
/** @typedef {{ name: string, bytes: number, state: 'coming' | 'there' | 'failed', problem: string, uploaded: UploadedFile | null, ended: AbortController, file: File | null }} Item */

/**
 * @param {{ api: Api, connection: Connection, announce: (text: string) => void, onChange: () => void, newChatName: () => string }} options
 */
export function createAttachments({ api, connection, announce, onChange, newChatName }) {
  const list = byId('attachments', HTMLElement);
  const input = byId('file-input', HTMLInputElement);
  const attach = byId('attach', HTMLButtonElement);
  const drop = byId('drop', HTMLElement);
  /** @type {string | null} */
  let open = null;
  /** Where the message will go, and its key. */
  let place = { chat: '', key: '' };
  /** @type {Item[]} */
  let items = [];

  const nameOf = () => ATTACHED + (open ?? NEW_CHAT);

  function keep() {
    const files = items.flatMap(({ uploaded, bytes }) => (uploaded ? [{ ...uploaded, bytes }] : []));
    if (files.length === 0) remove(nameOf());
    else write(nameOf(), JSON.stringify({ ...place, files }));
  }

  /** @returns {Kept | null} */
  function kept() {
    try {
      return JSON.parse(read(nameOf()) ?? 'null');
    } catch {
      return null;
    }
  }

  function draw() {
    list.hidden = items.length === 0;
    list.replaceChildren(
      ...items.map((item) => {
        const name = harmless(item.name);
        const words = { coming: 'Uploading', there: sizeText(item.bytes), failed: item.problem }[item.state];
        return h(
          'li',
          { class: 'attachment', 'data-state': item.state },
          item.state === 'coming'
            ? h('span', { class: 'spinner', 'aria-hidden': 'true' })
            : icon(item.state === 'failed' ? 'alert' : 'file'),
          h('span', { class: 'file-name', title: name }, name),
          h('span', { class: 'file-size' }, words),
          item.state === 'failed' && item.file !== null
            ? h(
                'button',
                { type: 'button', class: 'text-button', onclick: () => void bring(item) },
                'Try again',
              )
            : null,
          iconButton('close', `Remove ${name}`, () => take(item), 'icon-button attachment-remove'),
        );
      }),
    );
    onChange();
  }

  /** @param {Item} item */
  function take(item) {
    item.ended.abort();
    const at = items.indexOf(item);
    items = items.filter((other) => other !== item);
    keep();
    draw();
    announce(`${harmless(item.name)} is removed.`);
    const buttons = list.querySelectorAll('.attachment-remove');
    const next = buttons[Math.min(at, buttons.length - 1)];
    if (next instanceof HTMLElement) next.focus();
    else attach.focus();
  }

  /** @param {Item} item */
  async function bring(item) {
    const { file } = item;
    if (file === null) return;
    const from = items;
    item.state = 'coming';
    item.ended = new AbortController();
    draw();
    const { signal } = item.ended;
    const { chat, key } = place;
    try {
      item.uploaded = await connection.untilAnswered(() => api.upload(chat, key, file, signal), signal);
      item.name = item.uploaded.name;
      item.state = 'there';
      announce(`${harmless(item.name)} is attached.`);
    } catch (error) {
      if (signal.aborted) return;
      item.state = 'failed';
      item.problem = messageOf(error);
      announce(`${harmless(item.name)}: ${item.problem}`);
    }
    // The person may have gone to another chat meanwhile; what arrived is kept with this one.
    if (items !== from && !items.includes(item)) return;
    keep();
    draw();
  }

  /** @param {readonly File[]} files */
  function add(files) {
    if (files.length === 0) return;
    if (place.key === '') place = { chat: open ?? newChatName(), key: randomId() };
    for (const file of files) {
      const problem =
        items.length >= MAX_FILES
          ? `One message has at most ${MAX_FILES} files.`
          : file.size > MAX_BYTES
            ? `It has ${sizeText(file.size)}; ${sizeText(MAX_BYTES)} are the most.`
            : '';
      /** @type {Item} */
      const item = {
        ...{ name: file.name || 'file', bytes: file.size, problem, uploaded: null },
        ...{
          state: problem === '' ? 'coming' : 'failed',
          ended: new AbortController(),
          file: problem === '' ? file : null,
        },
      };
      items = [...items, item];
      if (problem === '') void bring(item);
      else announce(`${harmless(item.name)}: ${problem}`);
    }
    draw();
  }

  function forget() {
    for (const { ended } of items) ended.abort();
    items = [];
    place = { chat: '', key: '' };
  }

  attach.addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    add([...(input.files ?? [])]);
    input.value = '';
  });
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0 || document.querySelector('dialog[open]')) return;
    // A table copied from an office program comes as text and as a picture of it: the text is meant.
    if (event.clipboardData?.types.includes('text/plain')) return;
    event.preventDefault();
    add(files);
  });
  // Entering a child leaves its parent: only what is over the page at last counts.
  let over = 0;
  const carriesFiles = (/** @type {DragEvent} */ event) =>
    event.dataTransfer?.types.includes('Files') === true && !document.querySelector('dialog[open]');
  addEventListener('dragenter', (event) => {
    if (!carriesFiles(event)) return;
    over += 1;
    drop.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    if (!carriesFiles(event)) return;
    over = Math.max(0, over - 1);
    drop.hidden = over === 0;
  });
  addEventListener('dragover', (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  addEventListener('drop', (event) => {
    over = 0;
    drop.hidden = true;
    if (!carriesFiles(event)) return;
    event.preventDefault();
    add([...(event.dataTransfer?.files ?? [])]);
  });

  return {
    /** @param {string | null} chat */
    open(chat) {
      forget();
      open = chat;
      const before = kept();
      if (before) {
        place = { chat: before.chat, key: before.key };
        items = before.files.map(({ bytes, ...uploaded }) => ({
          ...{ name: uploaded.name, bytes, state: 'there', problem: '', uploaded },
          ...{ ended: new AbortController(), file: null },
        }));
      }
      draw();
    },
    isEmpty: () => items.length === 0,
    /** Whether all that is listed can be sent. */
    isReady: () => items.every(({ state }) => state === 'there'),
    isFragile: () => items.some(({ state }) => state === 'coming'),
    /** The chat that the first message will begin, if files were brought for it. */
    plannedChat: () => (open === null && items.length > 0 ? place.chat : null),
    /** Hands the files over to the message; null when there are none. */
    take() {
      if (items.length === 0) return null;
      const { key } = place;
      const files = items.flatMap(({ uploaded }) => (uploaded ? [uploaded] : []));
      remove(nameOf());
      forget();
      draw();
      return { key, files };
    },
    /** What was taken and refused comes back. @param {string} key @param {readonly UploadedFile[]} files */
    giveBack(key, files) {
      if (open === null || files.length === 0) return;
      forget();
      place = { chat: open, key };
      items = files.map((uploaded) => ({
        ...{ name: uploaded.name, bytes: 0, state: 'there', problem: '', uploaded },
        ...{ ended: new AbortController(), file: null },
      }));
      keep();
      draw();
    },
    /** @param {string} chat */
    forgetChat: (chat) => remove(ATTACHED + chat),
  };
}
