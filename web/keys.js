// The key of the server. On the machine it runs on, the address that `start` prints holds it: it is taken out of the
// address at once and kept by the browser for this address (storage.js), so that reloads, bookmarks, other tabs and
// restarts of the server go on. Of a server elsewhere it is kept in this tab only. Without one, or with one that is
// refused, the person is asked once, however many requests were refused.
import { byId } from './dom.js';
import { read, remove, write } from './storage.js';

const NAME = 'key';
const STORED = `hybrid-sessions.${NAME}`;
const FRAGMENT = '#key=';
const isThisMachine = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);

/** What session storage would not take. @type {string | null} */
let held = null;

function readKey() {
  if (isThisMachine) return read(NAME);
  try {
    return held ?? sessionStorage.getItem(STORED);
  } catch {
    return held;
  }
}

/** @param {string | null} key */
function keepKey(key) {
  if (isThisMachine) return key === null ? remove(NAME) : write(NAME, key);
  held = key;
  try {
    if (key === null) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, key);
  } catch {
    // Memory has it.
  }
}

/** A key, or an address that holds one, as a person pastes it. @param {string} text */
function keyIn(text) {
  const at = text.indexOf(FRAGMENT);
  return (at < 0 ? text : text.slice(at + FRAGMENT.length)).trim();
}

/** What the browser had before the address brought another: any page can link here with a key that is none. @type {string | null} */
let before = null;

/** Takes a key out of the address, before it is seen by anybody else. @param {string} address the one without it */
function takeFromAddress(address) {
  if (!location.hash.startsWith(FRAGMENT)) return null;
  const key = keyIn(location.hash);
  history.replaceState(history.state, '', address);
  if (key === '') return null;
  before = readKey();
  keepKey(key);
  return key;
}

export function createKeys() {
  const dialog = byId('key-dialog', HTMLDialogElement);
  const form = byId('key-form', HTMLFormElement);
  const input = byId('key-input', HTMLInputElement);
  const problem = byId('key-problem', HTMLElement);
  byId(isThisMachine ? 'key-here' : 'key-elsewhere', HTMLElement).hidden = false;
  /** @type {Promise<string> | null} */
  let asking = null;
  /** @type {(key: string) => void} */
  let resolveAsking = () => {};

  takeFromAddress(location.pathname);
  // The address was opened where the page was open already.
  addEventListener('hashchange', ({ oldURL }) => {
    const key = takeFromAddress(oldURL);
    if (key !== null) answer(key);
  });
  // Another tab got one.
  addEventListener('storage', ({ key: name, newValue }) => {
    if (isThisMachine && name === STORED && newValue !== null) answer(newValue);
  });
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  form.addEventListener('submit', () => {
    const key = keyIn(input.value);
    keepKey(key);
    answer(key);
  });

  /** @param {string} key */
  function answer(key) {
    dialog.close();
    resolveAsking(key);
    asking = null;
  }

  /**
   * @param {string | null} refused the key that was just turned down; a newer one is simply handed back
   * @returns {Promise<string>} resolves when the person gave one; a page without it shows nothing else
   */
  function ask(refused) {
    const known = readKey();
    if (known !== null && known !== refused) return Promise.resolve(known);
    if (before !== null && before !== refused) {
      keepKey(before);
      return Promise.resolve(before);
    }
    asking ??= new Promise((resolve) => {
      resolveAsking = resolve;
      keepKey(null);
      problem.hidden = refused === null;
      input.value = '';
      dialog.showModal();
      input.focus();
    });
    return asking;
  }

  return { current: readKey, ask };
}
