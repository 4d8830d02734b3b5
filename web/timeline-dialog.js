// Where a turn's time went: a bar for each part of it, on one scale from the message to the reply.
/** @import { Api } from './api.js' */
/** @import { Timeline } from './types.js' */
import { byId, h, messageOf } from './dom.js';
import { harmless } from './harmless.js';

/** @type {Record<string, string>} */
const WORDS = {
  queue: 'Waiting in the queue',
  lease: 'Taking the session',
  host: 'Starting the agent’s host',
  restore: 'Laying out the files',
  agent: 'The agent at work',
  model: 'Model',
  tool: 'Tool',
  checkpoint: 'Saving the files',
  commit: 'Writing it down',
  deliver: 'Bringing the reply',
};

/** @param {{ api: Api }} options */
export function createTimelineDialog({ api }) {
  const dialog = byId('timeline-dialog', HTMLDialogElement);
  const body = byId('timeline-body', HTMLElement);
  byId('timeline-close', HTMLButtonElement).addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    // The backdrop belongs to the dialog.
    if (event.target === dialog) dialog.close();
  });
  /** @type {HTMLElement | null} */
  let opener = null;
  dialog.addEventListener('close', () => opener?.focus());

  /** @param {Timeline} timeline */
  function draw({ total_ms, first_text_ms, spans }) {
    const rows = spans.map(({ kind, name, from_ms, to_ms }) => {
      const label = `${WORDS[kind] ?? kind}${name === undefined ? '' : `: ${harmless(name)}`}`;
      const bar = h('span', { class: 'bar', 'data-kind': kind });
      const share = (/** @type {number} */ ms) => `${(Math.max(0, ms) / Math.max(1, total_ms)) * 100}%`;
      bar.style.setProperty('--from', share(from_ms));
      bar.style.setProperty('--length', share(to_ms - from_ms));
      return h(
        'li',
        { class: 'span' },
        h('span', { class: 'span-label' }, label),
        h('span', { class: 'span-time' }, seconds(to_ms - from_ms)),
        h('span', { class: 'span-track', 'aria-hidden': 'true' }, bar),
      );
    });
    const first = first_text_ms === null ? '' : ` The first words came after ${seconds(first_text_ms)}.`;
    body.replaceChildren(
      h('p', {}, `${seconds(total_ms)} from the message to the end.${first}`),
      h('ol', { class: 'spans', tabindex: '0', 'aria-label': 'Parts of this turn' }, ...rows),
    );
  }

  return {
    /** @param {string} turnId @param {HTMLElement} from */
    async show(turnId, from) {
      opener = from;
      body.replaceChildren(h('p', { class: 'tree-note' }, 'Loading'));
      dialog.showModal();
      try {
        draw(await api.timeline(turnId));
      } catch (error) {
        body.replaceChildren(h('p', { class: 'problem', role: 'alert' }, messageOf(error)));
      }
    },
  };
}

/** @param {number} ms */
function seconds(ms) {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}
