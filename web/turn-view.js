// One turn on the page: what was asked, how the answer comes along, and what became of it.
/** @import { OutboxEntry, Reply, StatusEvent, Turn, TurnEvent, TurnFile } from './types.js' */
import { copy } from './copy.js';
import { h, icon, iconButton } from './dom.js';
import { createMessageText } from './message-text.js';
import { createReplyView } from './reply-view.js';
import { briefTime, clockTime, fullTime } from './time.js';

/** @typedef {ReturnType<typeof createTurnView>} TurnView */
/** @typedef {'sending' | 'queued' | 'running' | 'settled' | 'refused'} Phase */

/**
 * @param {{
 *   source: Turn | OutboxEntry,
 *   onCancel: (view: TurnView) => void,
 *   onRepeat: (text: string) => void,
 *   onEdit: (view: TurnView) => void,
 *   filesOf: (files: readonly TurnFile[]) => HTMLElement | null,
 *   menuOf: (turnId: string) => HTMLElement,
 *   announce: (text: string) => void,
 * }} options
 */
export function createTurnView({ source, onCancel, onRepeat, onEdit, filesOf, menuOf, announce }) {
  let reply = createReplyView();
  const note = h('p', { class: 'ask-note', hidden: true });
  const working = h(
    'p',
    { class: 'working' },
    h('span', { class: 'pulse' }),
    h('span', { class: 'working-text' }, 'Working'),
  );
  const meta = h('footer', { class: 'answer-meta', hidden: true });
  const sent = h('div', { class: 'sent-files', hidden: true });
  const answer = h('div', { class: 'answer', hidden: true }, reply.element, sent, working, meta);
  const came = h('div', { class: 'came-files' });
  const ask = source.kind === 'new' ? null : askBubble(saidIn(source), came, note);
  showCame(source);
  const undoNew = textButton('Undo', () => onRepeat('/undo new'));
  undoNew.classList.add('undo-new');
  undoNew.setAttribute('aria-label', 'Undo the new session');
  undoNew.hidden = true;
  const divider =
    source.kind === 'new' ? h('p', { class: 'divider' }, h('span', {}, 'New session'), undoNew) : null;
  const element = h('article', { class: 'turn' }, ask, divider, source.kind === 'new' ? note : null, answer);

  /** @type {Turn | null} */
  let turn = null;
  /** @type {Phase} */
  let phase = 'sending';
  let stopping = false;
  /** What the turn waits for, in words; empty while it goes on. */
  let waitText = '';

  /** Once the server has them they can be had back. @param {Turn | OutboxEntry} of */
  function showCame(of) {
    const files = filesIn(of);
    if (files.length > 0 && came.dataset.from !== 'turn') came.replaceChildren(filesOf(files) ?? '');
    if ('turn_id' in of && of.files) came.dataset.from = 'turn';
  }

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
    const said = stopping ? 'Stopping' : waitText || (reply.isEmpty() ? 'Working' : '');
    if (text && text.textContent !== said) text.textContent = said;
    working.classList.toggle('waits', waitText !== '' && !stopping);
    if (waitText !== '' && waitText !== announced) announce(waitText);
    announced = waitText;
  }
  let announced = '';

  /** @param {StatusEvent} data */
  function applyStatus(data) {
    if (data.status === 'retrying') reply.reset();
    if (data.status === 'stopping') stopping = true;
    waitText = waitTextOf(data);
    if (data.status === 'queued') enter('queued');
    else enter(data.status === 'stopping' ? phase : 'running');
  }

  /** @param {Reply} settled */
  function settle(settled) {
    try {
      reply.settle(settled);
    } catch {
      reply.showBare(settled.text);
    }
    waitText = '';
    const files = filesOf(settled.files ?? []);
    sent.hidden = files === null;
    sent.replaceChildren(files ?? '');
    element.dataset.outcome = settled.outcome;
    if (settled.demo) element.dataset.demo = 'true';
    meta.hidden = false;
    meta.replaceChildren(...metaFor(settled));
    enter('settled');
    if (settled.code === 'gathered') {
      answer.hidden = true;
      note.hidden = false;
      note.replaceChildren(icon('check'), 'Told to the turn that was running');
    }
    if (source.kind === 'new' && settled.outcome !== 'ok') answer.hidden = false;
    undoNew.hidden = settled.outcome !== 'ok';
  }

  /** @param {Reply} settled */
  function metaFor(settled) {
    const at = turn?.updated_at ?? new Date().toISOString();
    const copyButton = iconButton('copy', 'Copy reply', () => void copy(settled.text, copyButton, announce));
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
      ...stepsFor(settled),
      h('span', { class: 'meta-actions' }, copyButton, turn ? menuOf(turn.turn_id) : null),
    ].filter((part) => part !== '');
  }

  /** Back, or forth again; shown with the last turn only. @param {Reply} settled */
  function stepsFor(settled) {
    const kind = turn?.kind ?? source.kind;
    const isUndo = kind === 'undo' || /^\/undo\b/.test(source.text);
    if (isUndo)
      return settled.outcome === 'ok' ? [lastOnly(textButton('Redo', () => onRepeat('/redo')))] : [];
    return kind === 'message' && !source.text.startsWith('/')
      ? [lastOnly(textButton('Undo', () => onRepeat('/undo')))]
      : [];
  }

  // What was watched live shows its steps already.
  let watched = false;

  const view = {
    element,
    reply: () => reply,
    key: 'key' in source ? source.key : null,
    text: source.text,
    files: 'key' in source ? (source.files ?? []) : [],
    turnId: () => turn?.turn_id ?? null,
    phase: () => phase,
    isStopping: () => stopping,
    updatedAt: () => turn?.updated_at ?? '',
    settled: () => (phase === 'settled' ? (turn?.reply ?? null) : null),
    needsSteps: () =>
      phase === 'settled' && (source.kind === 'message' || source.kind === 'answer') && !watched,
    rendered: () => reply.rendered(),

    /** The same reply with its steps, made ready beside the page. @param {ReturnType<typeof createReplyView>} other */
    takeReply(other) {
      watched = true;
      reply.element.replaceWith(other.element);
      reply = other;
    },

    /** Takes what the ledger says; never goes back from settled. @param {Turn} record */
    update(record) {
      turn = record;
      element.dataset.turn = record.turn_id;
      stopping ||= record.stop_requested;
      showCame(record);
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
        if (event.data?.status) applyStatus(event.data);
      } else {
        if (phase !== 'running') enter('running');
        if (event.type === 'text' || event.type === 'tool') waitText = '';
        reply.add(event);
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

/** What the person wrote. @param {Turn | OutboxEntry} source */
function saidIn({ kind, text }) {
  if (kind === 'message' || kind === 'answer') return text;
  if (kind === 'wake') return text;
  const names = { command: '/', steer: '/btw ' };
  return `${names[/** @type {'command' | 'steer'} */ (kind)] ?? `/${kind} `}${text}`.trim();
}

/** @param {HTMLElement} button */
function lastOnly(button) {
  button.classList.add('last-only');
  return button;
}

/** @param {Turn | OutboxEntry} of @returns {readonly TurnFile[]} */
function filesIn(of) {
  if ('turn_id' in of) return of.files ?? [];
  return (of.files ?? []).map(({ file, name, media_type }) => ({
    file,
    name,
    media_type,
    bytes: null,
    url: null,
  }));
}

/** @param {string} text @param {HTMLElement} files @param {HTMLElement} note */
function askBubble(text, files, note) {
  return h(
    'div',
    { class: 'ask' },
    h('h2', { class: 'visually-hidden' }, 'You wrote'),
    ...(text === '' ? [] : createMessageText(text)),
    files,
    note,
  );
}

/** @param {string} label @param {() => void} onclick */
function textButton(label, onclick) {
  return h('button', { type: 'button', class: 'text-button', onclick }, label);
}

/** Words for a status that is more than "it runs"; a status of a newer server is shown by its own name. @param {StatusEvent} data */
function waitTextOf({ status, text, next_try_at }) {
  if (['queued', 'running', 'stopping'].includes(status)) return '';
  if (status === 'retrying') return 'Starting over';
  const words = String(status ?? '')
    .replaceAll(/[-_]+/g, ' ')
    .trim();
  const head = text || `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
  const nextMs = Date.parse(next_try_at ?? '');
  return Number.isFinite(nextMs) ? `${head} Next try at ${clockTime(nextMs)}.` : head;
}
