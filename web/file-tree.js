// The working directory as a tree: folders open in place and are read when they do, files are shown beside it. What is listed
// is what the last turn left; it is read anew each time the sheet is opened.
/** @import { Api } from './api.js' */
/** @import { Folder } from './types.js' */
import { byId, h, icon, iconButton, messageOf } from './dom.js';
import { createFileView } from './file-view.js';
import { harmless } from './harmless.js';
import { fullTime } from './time.js';
import { save, sizeText } from './turn-files.js';

/** @param {{ api: Api, announce: (text: string) => void }} options */
export function createFileTree({ api, announce }) {
  const root = byId('file-tree', HTMLElement);
  const view = createFileView({ api, onClose: showTree });
  let chat = '';
  /** @type {HTMLElement | null} */
  let opener = null;

  function showTree() {
    root.hidden = false;
    opener?.focus();
  }

  /** @param {string} path @param {HTMLElement} list @param {string | null} cursor */
  async function fill(path, list, cursor) {
    const asked = chat;
    list.setAttribute('aria-busy', 'true');
    const waiting = h('li', { class: 'tree-note' }, 'Loading');
    list.append(waiting);
    try {
      const folder = await api.folder(asked, path, cursor);
      if (asked !== chat) return;
      waiting.remove();
      list.append(...folder.entries.map((entry) => itemOf(path, entry)));
      if (list.childElementCount === 0)
        list.append(h('li', { class: 'tree-note' }, path === '' ? 'No files yet.' : 'Empty.'));
      if (folder.cursor !== null) {
        const more = h(
          'li',
          {},
          h('button', { type: 'button', class: 'text-button', onclick: () => next() }, 'Show more'),
        );
        const next = () => {
          const before = list.lastElementChild?.previousElementSibling;
          more.remove();
          void fill(path, list, folder.cursor).then(() => {
            const button = (before?.nextElementSibling ?? list).querySelector('button');
            button?.focus();
          });
        };
        list.append(more);
      }
    } catch (error) {
      if (asked !== chat) return;
      waiting.remove();
      list.append(h('li', { class: 'problem', role: 'alert' }, messageOf(error)));
    } finally {
      list.removeAttribute('aria-busy');
    }
  }

  /** @param {string} folder @param {Folder['entries'][number]} entry */
  function itemOf(folder, entry) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    const name = harmless(entry.name);
    if (entry.kind === 'folder') return folderOf(path, name);
    if (entry.kind === 'link') {
      return h(
        'li',
        { class: 'tree-row' },
        h('span', { class: 'tree-link' }, icon('link'), name, h('span', { class: 'file-size' }, 'link')),
      );
    }
    const bytes = entry.bytes ?? 0;
    const button = h(
      'button',
      {
        type: 'button',
        class: 'tree-button',
        title: `Changed ${fullTime(entry.modified_at)}`,
        onclick() {
          opener = button;
          root.hidden = true;
          view.show({ chat, path, bytes });
        },
      },
      icon('file'),
      h('span', { class: 'file-name' }, name),
      h('span', { class: 'file-size' }, sizeText(bytes)),
    );
    const download = iconButton('download', `Save ${name}`, () => void saveIt());
    async function saveIt() {
      download.disabled = true;
      try {
        save(await api.readFile(chat, path), entry.name);
        announce(`${name} is saved.`);
      } catch (error) {
        announce(messageOf(error));
        row.append(h('p', { class: 'file-problem', role: 'alert' }, messageOf(error)));
      } finally {
        download.disabled = false;
      }
    }
    const row = h('li', { class: 'tree-row' }, button, download);
    return row;
  }

  /** @param {string} path @param {string} name */
  function folderOf(path, name) {
    const list = h('ul', { hidden: true, 'aria-label': name });
    let isRead = false;
    const button = h(
      'button',
      {
        type: 'button',
        class: 'tree-button',
        'aria-expanded': 'false',
        onclick() {
          const opens = list.hidden;
          list.hidden = !opens;
          button.setAttribute('aria-expanded', String(opens));
          if (!opens || isRead) return;
          isRead = true;
          void fill(path, list, null);
        },
      },
      icon('chevron'),
      icon('folder'),
      h('span', { class: 'file-name' }, name),
    );
    return h('li', {}, h('div', { class: 'tree-row' }, button), list);
  }

  return {
    /** @param {string} opened */
    show(opened) {
      chat = opened;
      opener = null;
      view.hide();
      root.hidden = false;
      const list = h('ul', { class: 'tree', 'aria-label': 'Files of this chat' });
      root.replaceChildren(list);
      void fill('', list, null);
    },
    hide: () => view.hide(),
  };
}
