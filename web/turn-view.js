// One turn on the page: what was asked, how the answer comes along, and what became of it.
/** @import { OutboxEntry, Reply, Turn, TurnEvent } from './types.js' */
import { copy } from './copy.js';
import { h, icon, iconButton } from './dom.js';
import { createReplyView } from './reply-view.js';
import { briefTime, fullTime } from './time.js';

/** @typedef {ReturnType<typeof createTurnView>} TurnView */
/** @typedef {'sending' | 'queued' | 'running' | 'settled' | 'refused'} Phase */

/**
 * @param {{
 *   source: Turn | OutboxEntry,
 *   onCancel: (view: TurnView) => void,
 *   onRepeat: (text: string) => void,
 *   onEdit: (view: TurnView) => void,
 *   onSteps: (view: TurnView) => Promise<void>,
 *   announce: (text: string) => void,
 * }} options
 */
export function createTurnView({ source, onCancel, onRepeat, onEdit, onSteps, announce }) {
  const reply = createReplyView();
  const note = h('p', { class: 'ask-note', hidden: true });
  const working = h(
    'p',
    { class: 'working' },
    h('span', { class: 'pulse' }),
    h('span', { class: 'working-text' }, 'Working'),
  );
  const meta = h('footer', { class: 'answer-meta', hidden: true });
  const answer = h('div', { class: 'answer', hidden: true }, reply.element, working, meta);
  const ask = source.kind === 'message' ? askBubble(source.text, note) : null;
  const divider = source.kind === 'new' ? h('p', { class: 'divider' }, h('span', {}, 'New session')) : null;
  const element = h('article', { class: 'turn' }, ask, divider, source.kind === 'new' ? note : null, answer);

  /** @type {Turn | null} */
  let turn = null;
  /** @type {Phase} */
  let phase = 'sending';
  let stopping = false;

  /** @param {Phase} next */
  function enter(next) {
    phase = next;
    element.dataset.phase = next;
    note.replaceChildren(...noteFor(next));
    note.hidden = note.childNodes.length === 0;
    answer.hidden = !(next === 'running' || next === 'settled') || source.kind === 'new';
    working.hidden = next !== 'running';
    answer.setAttribute('aria-busy', String(next === 'running'));
  }

  /** @param {Phase} next @returns {(Node | string)[]} */
  function noteFor(next) {
    if (next === 'sending') return [icon('clock'), 'Sending'];
    if (next === 'running' && source.kind === 'new') return [icon('clock'), 'Starting a new session'];
    if (next !== 'queued') return [];
    if (stopping) return [icon('clock'), 'Will be skipped'];
    return [icon('clock'), 'Queued', textButton('Cancel', () => onCancel(view))];
  }

  function showWorking() {
    const text = working.querySelector('.working-text');
    if (text) text.textContent = stopping ? 'Stopping' : reply.isEmpty() ? 'Working' : '';
  }

  /** @param {Reply} settled */
  function settle(settled) {
    reply.settle(settled);
    element.dataset.outcome = settled.outcome;
    if (settled.demo) element.dataset.demo = 'true';
    meta.hidden = false;
    meta.replaceChildren(...metaFor(settled));
    enter('settled');
    if (source.kind === 'new' && settled.outcome !== 'ok') answer.hidden = false;
  }

  /** @param {Reply} settled */
  function metaFor(settled) {
    const at = turn?.updated_at ?? new Date().toISOString();
    const copyButton = iconButton('copy', 'Copy reply', () => void copy(settled.text, copyButton, announce));
    const steps = iconButton('list', 'Show steps', () => {
      steps.disabled = true;
      void onSteps(view).finally(() => steps.remove());
    });
    const badge = { ok: null, stopped: 'Stopped', failed: 'Failed' }[settled.outcome];
    return [
      badge
        ? h(
            'span',
            { class: `badge badge-${settled.outcome}` },
            icon(settled.outcome === 'failed' ? 'alert' : 'stop'),
            badge,
          )
        : '',
      settled.demo ? h('span', { class: 'badge badge-demo' }, 'Demo model') : '',
      h('time', { datetime: at, title: fullTime(at) }, briefTime(at)),
      settled.outcome !== 'ok' && source.kind === 'message'
        ? textButton('Send again', () => onRepeat(source.text))
        : '',
      h('span', { class: 'meta-actions' }, copyButton, watched || source.kind !== 'message' ? null : steps),
    ].filter((part) => part !== '');
  }

  // What was watched live shows its steps already.
  let watched = false;

  const view = {
    element,
    reply,
    key: 'key' in source ? source.key : null,
    text: source.text,
    turnId: () => turn?.turn_id ?? null,
    phase: () => phase,
    isStopping: () => stopping,

    /** Takes what the ledger says; never goes back from settled. @param {Turn} record */
    update(record) {
      turn = record;
      element.dataset.turn = record.turn_id;
      stopping ||= record.stop_requested;
      if (phase === 'settled') return;
      if (record.reply) settle(record.reply);
      else if (phase !== 'running') enter(record.status === 'running' ? 'running' : 'queued');
    },

    /** @param {TurnEvent} event */
    apply(event) {
      if (phase === 'settled') return;
      watched = true;
      if (event.type === 'final') return settle(event.data.reply);
      if (event.type === 'status') {
        if (event.data.status === 'retrying') reply.reset();
        if (event.data.status === 'stopping') stopping = true;
        enter(
          event.data.status === 'queued' ? 'queued' : event.data.status === 'stopping' ? phase : 'running',
        );
      } else {
        if (phase !== 'running') enter('running');
        if (event.type === 'text') reply.addText(event.data.text);
        else reply.addTool(event.data);
      }
      showWorking();
    },

    markStopping() {
      stopping = true;
      enter(phase);
      showWorking();
    },

    /** The server will not take it, or no longer knows it. @param {string} reason */
    refuse(reason) {
      enter('refused');
      note.hidden = false;
      note.replaceChildren(icon('alert'), turn ? reason : `Not sent. ${reason}`);
      if (source.kind === 'message' && !turn) note.append(textButton('Edit', () => onEdit(view)));
    },
  };
  enter('sending');
  return view;
}

/** @param {string} text @param {HTMLElement} note */
function askBubble(text, note) {
  return h(
    'div',
    { class: 'ask' },
    h('h3', { class: 'visually-hidden' }, 'You wrote'),
    h('p', { class: 'ask-text', dir: 'auto' }, text),
    note,
  );
}

/** @param {string} label @param {() => void} onclick */
function textButton(label, onclick) {
  return h('button', { type: 'button', class: 'text-button', onclick }, label);
}
