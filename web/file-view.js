// One file of the working directory: text as text, a picture as a picture, and anything else as something to save. Nothing of
// it is run or formatted: whatever stands in it is shown as it is.
/** @import { Api } from './api.js' */
import { byId, h, messageOf } from './dom.js';
import { harmless } from './harmless.js';
import { isPicture, save, sizeText } from './turn-files.js';

/** More text than this makes a page slow, and is better read elsewhere. */
const MAX_TEXT_BYTES = 1024 * 1024;
const MAX_PICTURE_BYTES = 20 * 1024 * 1024;

/** @param {{ api: Api, onClose: () => void }} options */
export function createFileView({ api, onClose }) {
  const element = byId('file-view', HTMLElement);
  const title = byId('file-path', HTMLElement);
  const body = byId('file-body', HTMLElement);
  const saveButton = byId('file-save', HTMLButtonElement);
  let shown = '';
  /** @type {Blob | null} */
  let blob = null;
  /** @type {{ chat: string, path: string } | null} */
  let file = null;

  function hide() {
    element.hidden = true;
    shown = '';
    blob = null;
    for (const image of body.querySelectorAll('img')) URL.revokeObjectURL(image.src);
    body.replaceChildren();
  }

  byId('file-back', HTMLButtonElement).addEventListener('click', () => {
    hide();
    onClose();
  });
  saveButton.addEventListener('click', async () => {
    if (!file) return;
    const { chat, path } = file;
    try {
      save(blob ?? (await api.readFile(chat, path)), path.split('/').at(-1) ?? path);
    } catch (error) {
      body.append(h('p', { class: 'problem', role: 'alert' }, messageOf(error)));
    }
  });

  /** @param {Blob} read @param {string} name @returns {Promise<HTMLElement>} */
  async function contentOf(read, name) {
    if (isPicture(read.type)) {
      const image = h('img', { class: 'file-picture', alt: name });
      image.src = URL.createObjectURL(read);
      return image;
    }
    const text = read.size > MAX_TEXT_BYTES ? null : await textOf(read);
    if (text === null) return note('This is no text. Save it to open it with another program.');
    if (text === '') return note('This file is empty.');
    return h('pre', { class: 'file-text', tabindex: '0', 'aria-label': name }, harmless(text));
  }

  return {
    hide,
    /** @param {{ chat: string, path: string, bytes: number }} wanted */
    async show({ chat, path, bytes }) {
      hide();
      file = { chat, path };
      const id = `${chat} ${path}`;
      shown = id;
      title.textContent = harmless(path);
      element.hidden = false;
      byId('file-back', HTMLButtonElement).focus();
      if (bytes > MAX_PICTURE_BYTES) {
        body.replaceChildren(note(`It has ${sizeText(bytes)}: too much to be shown here.`));
        return;
      }
      body.replaceChildren(note('Loading'));
      body.setAttribute('aria-busy', 'true');
      try {
        const read = await api.readFile(chat, path);
        if (shown !== id) return;
        blob = read;
        const content = await contentOf(read, harmless(path));
        if (shown === id) body.replaceChildren(content);
      } catch (error) {
        if (shown === id) body.replaceChildren(h('p', { class: 'problem', role: 'alert' }, messageOf(error)));
      } finally {
        body.removeAttribute('aria-busy');
      }
    },
  };
}

/** @param {string} text */
function note(text) {
  return h('p', { class: 'tree-note' }, text);
}

/** null for bytes that are no text. @param {Blob} blob */
async function textOf(blob) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await blob.arrayBuffer());
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}
