// Copying text by a button. The clipboard API exists on HTTPS and loopback only; elsewhere the old command serves.
import { icon } from './dom.js';

const SHOWN_MS = 1600;

/** Buttons with `data-copy="code"` copy the code block they stand in. @param {(text: string) => void} announce */
export function listenForCopy(announce) {
  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('button[data-copy="code"]') : null;
    const text = button?.closest('figure')?.querySelector('pre')?.textContent;
    if (button instanceof HTMLButtonElement && text) void copy(text.replace(/\n$/, ''), button, announce);
  });
}

/**
 * @param {string} text
 * @param {HTMLButtonElement} button says "Copied" for a moment
 * @param {(text: string) => void} announce
 */
export async function copy(text, button, announce) {
  const copied = await write(text);
  const label = button.querySelector('span');
  const said = copied ? 'Copied' : 'Could not copy';
  announce(said);
  button.querySelector('svg')?.replaceWith(icon(copied ? 'check' : 'alert'));
  if (label) label.textContent = said;
  setTimeout(() => {
    button.querySelector('svg')?.replaceWith(icon('copy'));
    if (label) label.textContent = 'Copy';
  }, SHOWN_MS);
}

/** @param {string} text */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.className = 'visually-hidden';
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}
