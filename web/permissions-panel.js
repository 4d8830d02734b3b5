// What the people of this chat have allowed for good, and to take it back: then the agent asks again.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { Permission } from './types.js' */
import { byId, h, messageOf } from './dom.js';
import { harmless } from './harmless.js';
import { fullTime } from './time.js';

/** @param {{ api: Api, connection: Connection, announce: (text: string) => void, onWithdrawn: (chat: string) => void }} options */
export function createPermissionsPanel({ api, connection, announce, onWithdrawn }) {
  const root = byId('part-allowed', HTMLElement);
  let chat = '';

  async function load() {
    const asked = chat;
    try {
      const { permissions } = await connection.untilAnswered(() => api.permissions(asked));
      if (asked !== chat) return;
      root.replaceChildren(
        permissions.length === 0
          ? h(
              'p',
              { class: 'tree-note' },
              'Nothing is allowed without asking, beyond what the agent’s settings allow.',
            )
          : h('ul', { class: 'cards' }, ...permissions.map(card)),
      );
    } catch (error) {
      if (asked === chat) root.replaceChildren(h('p', { class: 'problem', role: 'alert' }, messageOf(error)));
    }
  }

  /** @param {Permission} permission */
  function card({ id, title, covers, allowed_by, allowed_at }) {
    const who = allowed_by === null ? '' : ` by ${harmless(allowed_by)}`;
    const button = h(
      'button',
      {
        type: 'button',
        class: 'button',
        'aria-label': `Ask again: ${harmless(title)}`,
        onclick: () => void withdraw(),
      },
      'Ask again',
    );
    async function withdraw() {
      const from = chat;
      button.disabled = true;
      try {
        const { reply } = await connection.untilAnswered(() => api.withdraw(from, id));
        announce(harmless(reply.text));
        onWithdrawn(from);
      } catch (error) {
        announce(messageOf(error));
      }
      if (from !== chat) return;
      await load();
      const next = root.querySelector('button');
      if (next instanceof HTMLElement) next.focus();
      else byId('tab-allowed', HTMLButtonElement).focus();
    }
    return h(
      'li',
      { class: 'card' },
      h('h3', {}, harmless(title)),
      h(
        'p',
        { class: 'card-facts' },
        `${covers === 'tool' ? 'Every call of this tool' : 'Exactly this call'} · allowed${who}, ${fullTime(allowed_at)}`,
      ),
      h('div', { class: 'card-buttons' }, button),
    );
  }

  return {
    /** @param {string} opened */
    show(opened) {
      chat = opened;
      root.replaceChildren(h('p', { class: 'tree-note' }, 'Loading'));
      void load();
    },
  };
}
