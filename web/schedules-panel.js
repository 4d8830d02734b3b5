// What the agent does in this chat by itself: when next, what came of the last times, and to hold it back, end it or wake it
// now. Schedules are made by asking the agent.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { Schedule } from './types.js' */
import { byId, h, messageOf } from './dom.js';
import { harmless } from './harmless.js';
import { randomId } from './outbox.js';
import { fullTime } from './time.js';

const SHOWN_RUNS = 3;

/** @param {{ api: Api, connection: Connection, announce: (text: string) => void, onRun: (chat: string) => void }} options */
export function createSchedulesPanel({ api, connection, announce, onRun }) {
  const root = byId('part-schedules', HTMLElement);
  let chat = '';

  async function load() {
    const asked = chat;
    try {
      const { schedules, time_zone } = await connection.untilAnswered(() => api.schedules(asked));
      if (asked !== chat) return;
      const active = schedules.filter(({ status }) => status !== 'cancelled');
      root.replaceChildren(
        ...(active.length === 0
          ? [
              h(
                'p',
                { class: 'tree-note' },
                'Nothing is scheduled here. Ask the agent, for example: “every weekday at nine, sum up the news”.',
              ),
            ]
          : [h('ul', { class: 'cards' }, ...active.map(card))]),
        h('p', { class: 'tree-note' }, `Times are in ${time_zone}. /timezone changes that for this chat.`),
      );
    } catch (error) {
      if (asked === chat) root.replaceChildren(h('p', { class: 'problem', role: 'alert' }, messageOf(error)));
    }
  }

  /** @param {Schedule} schedule */
  function card(schedule) {
    const { id, name, text, status, cron, next_due_at } = schedule;
    const when = cron === null ? 'Once' : `Cron ${cron}`;
    const next =
      status === 'paused' ? 'Paused' : next_due_at === null ? 'Over' : `Next: ${fullTime(next_due_at)}`;
    const isOver = next_due_at === null && status !== 'paused';
    return h(
      'li',
      { class: 'card', 'data-schedule': id },
      h('h3', {}, harmless(name)),
      h('p', { class: 'card-text' }, harmless(text)),
      h('p', { class: 'card-facts' }, `${when} · ${schedule.time_zone} · ${next}`),
      ...schedule.runs
        .filter((_, at) => at < SHOWN_RUNS)
        .map((run) => h('p', { class: 'card-facts' }, `${fullTime(run.due_at)}: ${run.outcome}`)),
      h(
        'div',
        { class: 'card-buttons' },
        action(schedule, 'run', 'Run now'),
        isOver
          ? null
          : status === 'paused'
            ? action(schedule, 'resume', 'Resume')
            : action(schedule, 'pause', 'Pause'),
        isOver ? null : action(schedule, 'cancel', 'Cancel'),
      ),
    );

    /** @param {Schedule} of @param {'run' | 'pause' | 'resume' | 'cancel'} what @param {string} label */
    function action(of, what, label) {
      const button = h(
        'button',
        {
          type: 'button',
          class: 'button',
          'aria-label': `${label}: ${harmless(of.name)}`,
          onclick: () => void act(),
        },
        label,
      );
      // One press is one wake-up, however often it has to be asked for.
      const key = randomId();
      async function act() {
        const from = chat;
        for (const other of root.querySelectorAll('button')) other.disabled = true;
        try {
          await connection.untilAnswered(() => api.changeSchedule(from, id, what, key));
          announce(
            `${harmless(of.name)}: ${{ run: 'runs now', pause: 'paused', resume: 'goes on', cancel: 'cancelled' }[what]}.`,
          );
          if (what === 'run') onRun(from);
        } catch (error) {
          announce(messageOf(error));
        }
        if (from !== chat) return;
        await load();
        const again =
          root.querySelector(`[data-schedule="${CSS.escape(id)}"] button`) ?? root.querySelector('button');
        if (again instanceof HTMLElement) again.focus();
        else byId('tab-schedules', HTMLButtonElement).focus();
      }
      return button;
    }
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
