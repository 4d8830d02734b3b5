// One turn on the page: what was asked, what is said so far, what the agent does, what it asks, the reply.
import type { ClientEvent, Decision, FileOfTurn, Question, Reply } from '../src/client/index.ts';
import { markdownNodes } from './markdown-nodes.ts';

export interface TurnView {
  readonly element: HTMLElement;
  take(event: ClientEvent): void;
  settle(reply: Reply): void;
  fail(words: string): void;
}

export type Decide = (question: Question, decision: Decision) => void;
export type Download = (file: FileOfTurn) => Promise<Blob>;

/** `text`: what the person wrote; null where nothing of it is shown (an answer by a button). */
export function createTurnView(text: string | null, decide: Decide, download: Download): TurnView {
  const reply = element('div', 'message reply');
  const working = element('div', 'working');
  const questions = element('div', 'message');
  const whole = element('div', 'turn');
  if (text !== null) whole.append(labelled('You', element('div', 'message mine', text)));
  const sent = element('div', 'choices message');
  sent.hidden = true;
  whole.append(reply, sent, working, questions);
  let said = '';
  let drawn: number | null = null;

  function draw(): void {
    drawn = null;
    reply.replaceChildren(unseen('Assistant'), ...markdownNodes(said));
  }

  return {
    element: whole,
    take(event) {
      if (event.type === 'text') {
        said += event.text;
        // Many words come in one frame; they are drawn once.
        drawn ??= requestAnimationFrame(draw);
      } else if (event.type === 'tool') {
        working.textContent = event.state === 'started' ? event.summary : '';
      } else if (event.type === 'status') {
        if (event.status === 'retrying') {
          said = '';
          draw();
        }
        working.textContent = event.text ?? STATUS[event.status] ?? '';
      }
    },
    settle({ text: final, outcome, asked, files = [] }) {
      if (drawn !== null) cancelAnimationFrame(drawn);
      said = final;
      draw();
      if (final === '') reply.replaceChildren();
      reply.classList.toggle('failed', outcome === 'failed');
      working.textContent = outcome === 'stopped' ? 'Stopped.' : '';
      sent.hidden = files.length === 0;
      sent.replaceChildren(...files.map((file) => fileButton(file, download)));
      questions.replaceChildren(
        ...(asked ?? []).filter(({ answer }) => answer === null).map((one) => questionView(one, decide)),
      );
    },
    fail(words) {
      reply.classList.add('failed');
      reply.textContent = words;
      working.textContent = '';
    },
  };
}

const STATUS: Readonly<Record<string, string>> = {
  queued: 'Waiting…',
  running: 'Working…',
  retrying: 'Beginning again…',
  stopping: 'Stopping…',
  waiting: 'Waiting…',
};

function questionView(question: Question, decide: Decide): HTMLElement {
  const whole = element('div', 'question');
  whole.setAttribute('role', 'group');
  whole.setAttribute('aria-label', 'The assistant asks');
  whole.append(element('p', '', question.title));
  if (question.detail !== '' && question.detail !== question.title) {
    const detail = element('pre', 'scrolling', question.detail);
    detail.tabIndex = 0;
    whole.append(detail);
  }
  const choices: readonly (readonly [string, Decision])[] =
    question.kind === 'choice'
      ? question.options.map(({ label }) => [label, { decision: 'reply', text: label }] as const)
      : [
          ['Allow once', { decision: 'once' }],
          [
            question.covers === 'tool' ? 'Allow this tool in this chat' : 'Allow this in this chat',
            { decision: 'chat' },
          ],
          ['Do not allow', { decision: 'deny' }],
        ];
  const buttons = choices.map(([label, decision]) => {
    const button = element('button', '', label);
    button.setAttribute('type', 'button');
    button.addEventListener('click', () => {
      for (const one of buttons) one.toggleAttribute('disabled', true);
      decide(question, decision);
    });
    return button;
  });
  const row = element('div', 'choices');
  row.append(...buttons);
  whole.append(row);
  if (question.kind === 'choice') whole.append(element('p', 'note', 'Or write your own answer below.'));
  return whole;
}

/** Saves the file; its bytes come with the person's token, which no link could send. */
function fileButton(file: FileOfTurn, download: Download): HTMLElement {
  const button = element('button', '', `📎 ${file.name}`);
  button.setAttribute('type', 'button');
  button.setAttribute('aria-label', `Save ${file.name}`);
  button.addEventListener('click', async () => {
    button.toggleAttribute('disabled', true);
    try {
      const bytes = new Blob([await download(file)], { type: 'application/octet-stream' });
      const link = Object.assign(document.createElement('a'), {
        href: URL.createObjectURL(bytes),
        download: file.name,
      });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch {
      button.textContent = `${file.name} cannot be had now`;
    }
    button.toggleAttribute('disabled', false);
  });
  return button;
}

function labelled(who: string, message: HTMLElement): HTMLElement {
  message.prepend(unseen(who));
  return message;
}

/** For people who hear the page. */
function unseen(who: string): HTMLElement {
  return element('span', 'unseen', `${who}: `);
}

export function element(name: string, className = '', text = ''): HTMLElement {
  const made = document.createElement(name);
  if (className !== '') made.className = className;
  if (text !== '') made.textContent = text;
  return made;
}
