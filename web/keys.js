// The bearer key of a server that wants one. It lives in this tab only (session storage; memory where there is none),
// and is asked for once however many requests were refused.
import { byId } from './dom.js';

const STORED = 'hybrid-sessions.key';

/** @type {string | null} */
let held = null;

function readKey() {
  try {
    return held ?? sessionStorage.getItem(STORED);
  } catch {
    return held;
  }
}

/** @param {string | null} key */
function keepKey(key) {
  held = key;
  try {
    if (key === null) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, key);
  } catch {
    // Memory has it.
  }
}

export function createKeys() {
  const dialog = byId('key-dialog', HTMLDialogElement);
  const form = byId('key-form', HTMLFormElement);
  const input = byId('key-input', HTMLInputElement);
  const problem = byId('key-problem', HTMLElement);
  /** @type {Promise<string> | null} */
  let asking = null;

  /**
   * @param {string | null} refused the key that was just turned down; a newer one is simply handed back
   * @returns {Promise<string>} resolves when the person gave one; a page without it shows nothing else
   */
  function ask(refused) {
    const known = readKey();
    if (known !== null && known !== refused) return Promise.resolve(known);
    asking ??= new Promise((resolve) => {
      keepKey(null);
      problem.hidden = refused === null;
      input.value = '';
      dialog.addEventListener('cancel', keepOpen);
      dialog.showModal();
      input.focus();
      form.addEventListener(
        'submit',
        () => {
          keepKey(input.value.trim());
          dialog.removeEventListener('cancel', keepOpen);
          asking = null;
          resolve(input.value.trim());
        },
        { once: true },
      );
    });
    return asking;
  }

  return { current: readKey, ask };
}

/** @param {Event} event */
function keepOpen(event) {
  event.preventDefault();
}
