// What the agent asks, below its reply: a button for each answer, and a line to write in where words are wanted. It says
// nothing of what would run: that stands in the reply above. Gone as soon as everything has an answer.
/** @import { Decision, Question, Reply } from './types.js' */
import { h } from './dom.js';

const APPROVALS = /** @type {const} */ ({ once: 'Allow once', chat: 'Allow for this chat', deny: 'Deny' });
const SCOPES = { call: 'Exactly this, whenever it comes again', tool: 'Every call of this tool' };

/** The questions that wait after this reply, if it is the last one of its chat. @param {Reply | null} reply @returns {Question[]} */
export function waitingIn(reply) {
  return (reply?.asked ?? reply?.answered ?? []).filter(({ answer }) => answer === null);
}

/**
 * @param {{ onAnswer: (question: Question, decision: Decision, label: string) => void }} options
 */
export function createQuestionPanel({ onAnswer }) {
  const element = h('section', { class: 'questions', 'aria-label': 'The agent waits for your answer' });
  let shown = '';

  /** @param {Question} question @param {Decision} decision @param {string} label */
  function answer(question, decision, label) {
    shown = '';
    element.remove();
    onAnswer(question, decision, label);
  }

  /** @param {Question} question */
  function approval(question) {
    const why = words('Why not?', 'Deny', (text) =>
      answer(question, { decision: 'deny', text }, `Deny: ${text}`),
    );
    why.form.hidden = true;
    const open = h(
      'button',
      {
        type: 'button',
        class: 'question-button',
        'aria-expanded': 'false',
        onclick() {
          why.form.hidden = false;
          open.setAttribute('aria-expanded', 'true');
          why.field.focus();
        },
      },
      'Deny and say why',
    );
    const buttons = Object.entries(APPROVALS).map(([decision, label]) =>
      button(
        label,
        () => answer(question, { decision: /** @type {keyof typeof APPROVALS} */ (decision) }, label),
        decision === 'chat' ? SCOPES[question.covers] : null,
      ),
    );
    return [h('div', { class: 'question-buttons' }, ...buttons, open), why.form];
  }

  /** @param {Question} question */
  function choice(question) {
    const reply = (/** @type {string} */ text) => answer(question, { decision: 'reply', text }, text);
    const own = words('Another answer', 'Answer', reply);
    if (!question.multiple) {
      const buttons = question.options.map(({ label, description }) =>
        button(label, () => reply(label), description || null),
      );
      return [h('div', { class: 'question-buttons' }, ...buttons), own.form];
    }
    const boxes = question.options.map(({ label }) => h('input', { type: 'checkbox', value: label }));
    const labels = question.options.map(({ label, description }, at) =>
      h(
        'label',
        { class: 'question-box' },
        boxes[at] ?? null,
        description ? `${label}: ${description}` : label,
      ),
    );
    const send = button(
      'Answer',
      () => {
        const picked = boxes.filter(({ checked }) => checked).map(({ value }) => value);
        if (picked.length > 0) reply(picked.join(', '));
      },
      null,
    );
    return [h('div', { class: 'question-boxes' }, ...labels, send), own.form];
  }

  return {
    element,
    /** @param {Question[]} questions none: it goes away */
    show(questions) {
      const ids = questions.map(({ id }) => id).join(' ');
      if (ids === shown) return;
      shown = ids;
      element.replaceChildren(
        ...questions.map((question) =>
          h(
            'fieldset',
            { class: 'question' },
            h('legend', {}, question.title),
            ...(question.kind === 'choice' ? choice(question) : approval(question)),
          ),
        ),
      );
      if (questions.length === 0) element.remove();
    },
  };
}

/** @param {string} label @param {() => void} onclick @param {string | null} title */
function button(label, onclick, title) {
  return h('button', { type: 'button', class: 'question-button', onclick, title }, label);
}

/** A line to write in. @param {string} name @param {string} send @param {(text: string) => void} onSend */
function words(name, send, onSend) {
  const field = h('input', { type: 'text', class: 'question-text', 'aria-label': name, placeholder: name });
  const form = h(
    'form',
    {
      class: 'question-words',
      onsubmit(event) {
        event.preventDefault();
        const text = field.value.trim();
        if (text !== '') onSend(text);
      },
    },
    field,
    h('button', { type: 'submit', class: 'question-button' }, send),
  );
  return { form, field };
}
