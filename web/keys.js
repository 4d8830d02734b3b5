// The bearer key of a server that wants one. It lives in this tab's session storage only, and is asked for once
// however many requests were refused.
import { byId } from './dom.js';

const STORED = 'hybrid-sessions.key';

export function createKeys() {
  const dialog = byId('key-dialog', HTMLDialogElement);
  const form = byId('key-form', HTMLFormElement);
  const input = byId('key-input', HTMLInputElement);
  const problem = byId('key-problem', HTMLElement);
  /** @type {Promise<string> | null} */
  let asking = null;

  function current() {
    return sessionStorage.getItem(STORED);
  }

  /**
   * @param {string | null} refused the key that was just turned down; a newer one is simply handed back
   * @returns {Promise<string>} resolves when the person gave one; a page without it shows nothing else
   */
  function ask(refused) {
    const known = current();
    if (known !== null && known !== refused) return Promise.resolve(known);
    asking ??= new Promise((resolve) => {
      sessionStorage.removeItem(STORED);
      problem.hidden = refused === null;
      input.value = '';
      dialog.addEventListener('cancel', keepOpen);
      dialog.showModal();
      input.focus();
      form.addEventListener(
        'submit',
        () => {
          sessionStorage.setItem(STORED, input.value.trim());
          dialog.removeEventListener('cancel', keepOpen);
          asking = null;
          resolve(input.value.trim());
        },
        { once: true },
      );
    });
    return asking;
  }

  return { current, ask };
}

/** @param {Event} event */
function keepOpen(event) {
  event.preventDefault();
}
