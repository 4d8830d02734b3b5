// Files of a message or a reply: pictures are shown, everything else is a line that saves it. Their bytes are fetched with the
// key and shown from memory (`blob:`), so nothing of theirs is ever opened at this page's address.
/** @import { Api } from './api.js' */
/** @import { TurnFile } from './types.js' */
import { h, icon, messageOf } from './dom.js';
import { harmless } from './harmless.js';

const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);
/** Larger pictures wait for a press. */
const MAX_SHOWN_BYTES = 10 * 1024 * 1024;

/** `12 kB`, as people write sizes. @param {number} bytes */
export function sizeText(bytes) {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  let size = bytes;
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${size >= 10 || unit === 0 ? Math.round(size) : Math.round(size * 10) / 10} ${units[unit]}`;
}

/** @param {string} mediaType */
export function isPicture(mediaType) {
  return PICTURES.has(mediaType);
}

/** Saves bytes under a name, as a link would. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const url = URL.createObjectURL(new Blob([blob], { type: 'application/octet-stream' }));
  h('a', { href: url, download: name }).click();
  // The browser has taken it by the next turn of its loop, but large ones are still being read a while later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * @param {readonly TurnFile[]} files
 * @param {{ api: Pick<Api, 'download'>, announce: (text: string) => void, onPicture: (picture: { blob: Blob, name: string }, opener: HTMLElement) => void }} options
 * @returns {HTMLElement | null}
 */
export function createTurnFiles(files, { api, announce, onPicture }) {
  if (files.length === 0) return null;
  return h(
    'ul',
    { class: 'files', 'aria-label': 'Files' },
    ...files.map((file) => h('li', {}, itemOf(file))),
  );

  /** @param {TurnFile} file */
  function itemOf(file) {
    const { url } = file;
    if (url === null) return h('span', { class: 'file' }, icon('file'), ...words(file));
    if (isPicture(file.media_type) && (file.bytes ?? 0) <= MAX_SHOWN_BYTES) return pictureOf(file, url);
    const button = h(
      'button',
      { type: 'button', class: 'file', title: `Save ${harmless(file.name)}`, onclick: () => void saveIt() },
      icon('file'),
      ...words(file),
      icon('download'),
    );
    async function saveIt() {
      button.disabled = true;
      try {
        save(await api.download(/** @type {string} */ (url)), file.name);
        announce(`${harmless(file.name)} is saved.`);
      } catch (error) {
        announce(messageOf(error));
        problem(button, messageOf(error));
      } finally {
        button.disabled = false;
      }
    }
    return button;
  }

  /** @param {TurnFile} file @param {string} url */
  function pictureOf(file, url) {
    const name = harmless(file.name);
    const image = h('img', { alt: file.caption ? harmless(file.caption) : name, class: 'picture' });
    const button = h(
      'button',
      { type: 'button', class: 'picture-button', title: name, 'aria-busy': 'true' },
      image,
    );
    const figure = h('figure', {}, button, file.caption ? h('figcaption', {}, harmless(file.caption)) : null);
    whenSeen(figure, async () => {
      try {
        const blob = await api.download(url);
        const shown = new Blob([blob], { type: file.media_type });
        image.src = URL.createObjectURL(shown);
        await image.decode().catch(() => {});
        URL.revokeObjectURL(image.src);
        button.addEventListener('click', () => onPicture({ blob: shown, name: file.name }, button));
      } catch (error) {
        button.replaceWith(h('span', { class: 'file' }, icon('alert'), ...words(file)));
        figure.append(h('p', { class: 'file-problem' }, messageOf(error)));
      }
      button.removeAttribute('aria-busy');
    });
    return figure;
  }
}

/** @param {TurnFile} file */
function words({ name, bytes }) {
  return [
    h('span', { class: 'file-name' }, harmless(name)),
    bytes === null ? null : h('span', { class: 'file-size' }, sizeText(bytes)),
  ];
}

/** @param {HTMLElement} button @param {string} text */
function problem(button, text) {
  button.parentElement?.querySelector('.file-problem')?.remove();
  button.after(h('p', { class: 'file-problem', role: 'alert' }, text));
}

/** @param {HTMLElement} element @param {() => Promise<void>} work once, when it comes into view */
function whenSeen(element, work) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    void work();
  });
  observer.observe(element);
}
