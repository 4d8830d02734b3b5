// `<hybrid-chat>`: a chat with the assistant on any page. It survives a reload (the chat, a message on its way, a turn that
// runs) and a lost line. It may be used without a mouse, follows the page's colours and light or dark, and needs of a
// content policy only its script and its server.
import { ApiProblem, type Client, createClient, isPassing, type Turn } from '../src/client/index.ts';
import { type Kept, openKept } from './kept.ts';
import { createStyle } from './style.ts';
import { createTurnView, type Decide, element, type TurnView } from './turn-view.ts';

const SHOWN_TURNS = 50;
/** Where this script came from is where its server is, unless `url` says otherwise. */
const SCRIPT = document.currentScript instanceof HTMLScriptElement ? document.currentScript.src : '';

export class HybridChat extends HTMLElement {
  static readonly observedAttributes = ['heading', 'placeholder'];
  /** Asked for a person's token, and again after one was refused. Set it before the element is on the page. */
  token: ((refused: string | null) => string | Promise<string>) | string | undefined;

  readonly #parts = createParts();
  #client: Client | null = null;
  #kept: Kept | null = null;
  #ended = new AbortController();
  #running: string | null = null;

  constructor() {
    super();
    const shadow = this.attachShadow({ mode: 'open' });
    shadow.adoptedStyleSheets = [createStyle()];
    const { panel, launch, form, input, stop, close } = this.#parts;
    shadow.append(panel, launch);
    launch.addEventListener('click', () => this.open(panel.hidden === true));
    close.addEventListener('click', () => this.open(false));
    panel.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !this.hasAttribute('inline')) this.open(false);
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    stop.addEventListener('click', () => {
      if (this.#running !== null) this.#client?.stop(this.#running).catch((error) => this.#tell(error));
    });
  }

  connectedCallback(): void {
    const { panel, launch, close } = this.#parts;
    const isInline = this.hasAttribute('inline');
    panel.hidden = !isInline;
    launch.hidden = isInline;
    close.hidden = isInline;
    if (!isInline) panel.setAttribute('role', 'dialog');
    this.#ended = new AbortController();
    const url = this.getAttribute('url') ?? (SCRIPT === '' ? '' : new URL('..', SCRIPT).href);
    const token = this.token ?? this.getAttribute('token') ?? undefined;
    this.#client = createClient({
      url,
      ...(token !== undefined && { token }),
      onTrouble: (error) => this.#tell(error),
    });
    this.#kept = openKept(`${url}:${this.getAttribute('person') ?? ''}`, this.getAttribute('chat'));
    void this.#resume(this.#client, this.#kept, this.#ended.signal);
  }

  disconnectedCallback(): void {
    this.#ended.abort(new Error('The chat was taken off the page.'));
  }

  attributeChangedCallback(): void {
    const { heading, input, launch, panel } = this.#parts;
    const title = this.getAttribute('heading') ?? 'Assistant';
    heading.textContent = title;
    launch.textContent = title;
    panel.setAttribute('aria-label', title);
    input.placeholder = this.getAttribute('placeholder') ?? 'Write a message';
  }

  /** Opens or closes the panel; an inline one is always open. */
  open(open = true): void {
    const { panel, launch, input } = this.#parts;
    if (this.hasAttribute('inline')) {
      input.focus();
      return;
    }
    panel.hidden = !open;
    launch.setAttribute('aria-expanded', String(open));
    if (open) input.focus();
    else launch.focus();
  }

  /** The chat as the server knows it; then the turn that runs, and the message that it may not have. */
  async #resume(client: Client, kept: Kept, signal: AbortSignal): Promise<void> {
    const { log } = this.#parts;
    try {
      const turns = await this.#turns(client, kept.chat, signal);
      log.replaceChildren();
      let last: { readonly turn: Turn; readonly view: TurnView } | null = null;
      for (const turn of turns) {
        const view = this.#add(turn.kind === 'answer' ? null : turn.text);
        if (turn.reply) view.settle(withoutOld(turn, turns));
        last = { turn, view };
      }
      const pending = kept.pending();
      if (last && last.turn.reply === null) this.#follow(last.turn.turn_id, last.view);
      if (pending) this.#send(pending.key, pending.text);
    } catch (error) {
      if (!signal.aborted) this.#tell(error);
    }
  }

  async #turns(client: Client, chat: string, signal: AbortSignal): Promise<readonly Turn[]> {
    for (let tries = 1; ; tries++) {
      try {
        return (await client.chat(chat, { limit: SHOWN_TURNS, signal })).turns;
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 404) return [];
        if (!isPassing(error)) throw error;
        this.#tell(error);
        await new Promise((resolve) => setTimeout(resolve, Math.min(tries, 10) * 500));
        signal.throwIfAborted();
      }
    }
  }

  #submit(): void {
    const { input } = this.#parts;
    const text = input.value.trim();
    if (text === '' || this.#kept?.pending()) return;
    input.value = '';
    this.#send(crypto.randomUUID(), text);
  }

  #send(idempotencyKey: string, text: string): void {
    const [client, kept] = [this.#client, this.#kept];
    if (!client || !kept) return;
    const { signal } = this.#ended;
    kept.keep({ key: idempotencyKey, text });
    const view = this.#add(text);
    const sent = client.send(kept.chat, text, { idempotencyKey, signal });
    sent.accepted.then(
      (turnId) => {
        kept.keep(null);
        this.#follow(turnId, view);
      },
      (error: unknown) => {
        if (signal.aborted) return;
        // What the server will never take would be sent for ever: it goes back to its author.
        kept.keep(null);
        this.#parts.input.value ||= text;
        view.fail(wordsOf(error));
      },
    );
  }

  #follow(turnId: string, view: TurnView): void {
    const { signal } = this.#ended;
    this.#running = turnId;
    this.#parts.stop.hidden = false;
    const run = async () => {
      for await (const event of this.#client?.follow(turnId, signal) ?? []) {
        this.#tell(null);
        view.take(event);
        if (event.type === 'final') view.settle(event.reply);
        this.#scroll();
      }
    };
    run()
      .catch((error: unknown) => {
        if (!signal.aborted) view.fail(wordsOf(error));
      })
      .finally(() => {
        if (this.#running !== turnId) return;
        this.#running = null;
        this.#parts.stop.hidden = true;
      });
  }

  readonly #decide: Decide = (question, decision) => {
    const [client, kept] = [this.#client, this.#kept];
    if (!client || !kept) return;
    const view = this.#add(null);
    client.answer(kept.chat, question.id, decision, { signal: this.#ended.signal }).accepted.then(
      (turnId) => this.#follow(turnId, view),
      (error: unknown) => view.fail(wordsOf(error)),
    );
    this.#parts.input.focus();
  };

  #add(text: string | null): TurnView {
    const view = createTurnView(text, this.#decide, async (file) => {
      if (this.#client) return await this.#client.download(file);
      throw new Error('The chat has ended.');
    });
    this.#parts.log.append(view.element);
    this.#scroll();
    return view;
  }

  /** Follows what is new, unless the person has gone up to read. */
  #scroll(): void {
    const { log } = this.#parts;
    const isBelow = log.scrollHeight - log.scrollTop - log.clientHeight < 160;
    if (isBelow) log.scrollTop = log.scrollHeight;
  }

  #tell(error: unknown): void {
    const words =
      error === null ? '' : isPassing(error) ? 'The connection is lost. Trying again…' : wordsOf(error);
    const { status } = this.#parts;
    if (status.textContent !== words) status.textContent = words;
  }
}

/** Only what was asked last can still be answered. */
function withoutOld(turn: Turn, turns: readonly Turn[]) {
  const reply = turn.reply ?? { text: '', outcome: 'ok' as const };
  if (turn === turns.at(-1)) return reply;
  const { asked: _, ...rest } = reply;
  return rest;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : 'Something failed here.';
}

function createParts() {
  const heading = element('h2', '', 'Assistant');
  const close = element('button', '', 'Close');
  close.setAttribute('type', 'button');
  const header = element('header');
  header.append(heading, close);
  const log = element('div', 'log');
  log.setAttribute('role', 'log');
  log.setAttribute('aria-label', 'Conversation');
  log.tabIndex = 0;
  const status = element('div', 'status');
  status.setAttribute('role', 'status');
  const input = document.createElement('textarea');
  input.rows = 1;
  input.maxLength = 100_000;
  input.placeholder = 'Write a message';
  input.setAttribute('aria-label', 'Message');
  const send = element('button', 'main', 'Send');
  send.setAttribute('type', 'submit');
  const stop = element('button', '', 'Stop');
  stop.setAttribute('type', 'button');
  stop.hidden = true;
  const form = document.createElement('form');
  form.append(input, stop, send);
  const panel = element('section', 'panel');
  panel.setAttribute('part', 'panel');
  panel.setAttribute('aria-label', 'Assistant');
  panel.append(header, log, status, form);
  const launch = element('button', 'launch main', 'Assistant');
  launch.setAttribute('type', 'button');
  launch.setAttribute('part', 'launch');
  launch.setAttribute('aria-expanded', 'false');
  return { heading, close, log, status, input, stop, form, panel, launch };
}

if (!customElements.get('hybrid-chat')) customElements.define('hybrid-chat', HybridChat);
