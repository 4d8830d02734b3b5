// What can be done about one turn: undo back to before it, go on from it in another chat, and see where its time went. What
// is possible is asked for when the menu opens, since it changes with every turn.
/** @import { Api } from './api.js' */
import { h, icon, messageOf } from './dom.js';
import { randomId } from './outbox.js';

/**
 * @typedef {{
 *   api: Api,
 *   announce: (text: string) => void,
 *   onUndo: (turns: number) => void,
 *   onFork: (fork: { from: string, to: string, after: number, key: string }) => void,
 *   onTimeline: (turnId: string, opener: HTMLElement) => void,
 * }} TurnMenuOptions
 */

/** @param {{ chat: string, turnId: string }} of @param {TurnMenuOptions} options */
export function createTurnMenu({ chat, turnId }, { api, announce, onUndo, onFork, onTimeline }) {
  const list = h('div', { class: 'menu-list', role: 'group', 'aria-label': 'About this turn', hidden: true });
  const button = h(
    'button',
    {
      type: 'button',
      class: 'icon-button',
      title: 'More about this turn',
      'aria-label': 'More about this turn',
      'aria-expanded': 'false',
      onclick: () => (list.hidden ? void open() : close()),
    },
    icon('more'),
  );
  const element = h('span', { class: 'menu' }, button, list);

  function close() {
    list.hidden = true;
    button.setAttribute('aria-expanded', 'false');
    removeEventListener('pointerdown', onOutside, true);
  }

  /** @param {Event} event */
  function onOutside(event) {
    if (event.target instanceof Node && !element.contains(event.target)) close();
  }

  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || list.hidden) return;
    // Esc stops a running turn elsewhere on the page.
    event.stopPropagation();
    event.preventDefault();
    close();
    button.focus();
  });
  element.addEventListener('focusout', (event) => {
    if (event.relatedTarget instanceof Node && !element.contains(event.relatedTarget)) close();
  });

  /** @param {string} label @param {() => void} act */
  function item(label, act) {
    return h(
      'button',
      {
        type: 'button',
        class: 'menu-item',
        onclick() {
          close();
          act();
        },
      },
      label,
    );
  }

  async function open() {
    list.replaceChildren(h('p', { class: 'tree-note' }, 'Loading'));
    list.hidden = false;
    button.setAttribute('aria-expanded', 'true');
    addEventListener('pointerdown', onOutside, true);
    try {
      const { undoable = [] } = await api.chat(chat, {
        cursor: null,
        limit: 1,
        signal: AbortSignal.timeout(20_000),
      });
      const at = undoable.findIndex((mark) => mark.turn_id === turnId);
      const later = at === 1 ? 'the turn after it' : `the ${at} turns after it`;
      list.replaceChildren(
        ...(at < 0
          ? [h('p', { class: 'tree-note' }, 'This turn cannot be undone or forked from any more.')]
          : [
              item(at === 0 ? 'Undo this turn' : `Undo this turn and ${later}`, () => onUndo(at + 1)),
              item(
                at === 0
                  ? 'Go on from here in another chat'
                  : 'Go on from here in another chat, without the later turns',
                () =>
                  onFork({
                    from: chat,
                    to: `web-${randomId().replaceAll('-', '').slice(0, 20)}`,
                    after: at,
                    key: randomId(),
                  }),
              ),
            ]),
        item('Where the time went', () => onTimeline(turnId, button)),
      );
    } catch (error) {
      list.replaceChildren(h('p', { class: 'problem', role: 'alert' }, messageOf(error)));
      announce(messageOf(error));
    }
    const first = list.querySelector('button');
    if (first instanceof HTMLElement && element.contains(document.activeElement)) first.focus();
  }

  return element;
}
