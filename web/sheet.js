// What belongs to the open chat and is no message: its files, its schedules, what is allowed in it. One sheet at the side (on a
// phone the whole screen), with a tab for each; a tab is read anew whenever it is shown.
import { byId } from './dom.js';

/** @typedef {{ show: (chat: string) => void, hide?: () => void }} SheetPart */

/** @param {Record<'files' | 'schedules' | 'allowed', SheetPart>} parts by the ids of their tabs */
export function createSheet(parts) {
  const dialog = byId('sheet', HTMLDialogElement);
  const names = /** @type {(keyof typeof parts)[]} */ (Object.keys(parts));
  const tabs = names.map((name) => byId(`tab-${name}`, HTMLButtonElement));
  /** @type {string | null} */
  let chat = null;
  let current = names[0] ?? 'files';

  /** @param {keyof typeof parts} name */
  function select(name) {
    if (name !== current) parts[current].hide?.();
    current = name;
    for (const [at, tab] of tabs.entries()) {
      const isCurrent = names[at] === name;
      tab.setAttribute('aria-selected', String(isCurrent));
      tab.tabIndex = isCurrent ? 0 : -1;
      byId(`part-${names[at]}`, HTMLElement).hidden = !isCurrent;
    }
    if (chat !== null) parts[name].show(chat);
  }

  for (const [at, tab] of tabs.entries()) {
    tab.addEventListener('click', () => select(names[at] ?? 'files'));
    tab.addEventListener('keydown', (event) => {
      const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -at, End: tabs.length - 1 - at };
      const step = steps[/** @type {keyof typeof steps} */ (event.key)];
      if (step === undefined) return;
      event.preventDefault();
      const next = (at + step + tabs.length) % tabs.length;
      select(names[next] ?? 'files');
      tabs[next]?.focus();
    });
  }
  byId('sheet-close', HTMLButtonElement).addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    // The backdrop belongs to the dialog.
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => parts[current].hide?.());

  return {
    /** @param {string} opened */
    open(opened) {
      chat = opened;
      dialog.showModal();
      select(current);
    },
    close: () => dialog.close(),
  };
}
