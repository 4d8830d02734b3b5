// A client of the HTTP API for browsers and Node. It sends again what got no answer, always under the same idempotency
// key, so that one call is one turn; and it follows a turn over lost connections. It keeps nothing.
import { followTurn } from './follow-turn.ts';
import { type ClientOptions, createRequests, type PageOptions } from './requests.ts';
import type { Answer, Chat, ChatList, ClientEvent, Decision, OpenQuestions, Turn } from './shapes.ts';
import { webhookCalls } from './webhooks.ts';

export interface SendOptions {
  /** The same key in the same chat is the same message, however often it is sent. @default a new one */
  readonly idempotencyKey?: string;
  /** Ends sending and waiting, not the turn. */
  readonly signal?: AbortSignal;
}

/** A message on its way: await it for the answer, or iterate it (once) for what happens until then. */
export interface Sent extends PromiseLike<Answer>, AsyncIterable<ClientEvent> {
  readonly idempotencyKey: string;
  /** Resolves with the turn's id when the message is kept: from then on it is answered. */
  readonly accepted: Promise<string>;
}

export type Client = ReturnType<typeof createClient>;

export function createClient(options: ClientOptions) {
  const requests = createRequests(options);
  const { json } = requests;

  function post(path: string, body: object, sendOptions: SendOptions = {}): Sent {
    const { idempotencyKey = crypto.randomUUID(), signal } = sendOptions;
    const headers = { 'idempotency-key': idempotencyKey, prefer: 'respond-async' };
    const accepted = requests
      .untilDone(() => json<{ turn_id: string }>(path, { method: 'POST', body, headers, signal }), signal)
      .then(({ turn_id }) => turn_id);
    async function* events() {
      yield* followTurn(requests, await accepted, signal);
    }
    let answer: Promise<Answer> | undefined;
    return {
      idempotencyKey,
      accepted,
      // biome-ignore lint/suspicious/noThenProperty: it is awaited for its answer.
      then(onAnswer, onError) {
        answer ??= answerOf(events());
        return answer.then(onAnswer, onError);
      },
      [Symbol.asyncIterator]: events,
    };
  }

  const get = <T>(path: string, { limit, cursor, signal }: PageOptions = {}) => {
    const query = new URLSearchParams({ ...(limit && { limit: String(limit) }), ...(cursor && { cursor }) });
    return json<T>(`${path}${query.size > 0 ? `?${query}` : ''}`, { signal });
  };

  return {
    /** Sends a message: one turn. Its chat begins with the first one. */
    send: (chat: string, text: string, sendOptions?: SendOptions) =>
      post(`${pathOf(chat)}/messages`, { text }, sendOptions),
    /** A fresh session in the same chat. */
    startOver: (chat: string, sendOptions?: SendOptions) => post(`${pathOf(chat)}/new`, {}, sendOptions),
    undo: (chat: string, turns = 1, sendOptions?: SendOptions) =>
      post(`${pathOf(chat)}/undo`, { turns }, sendOptions),
    redo: (chat: string, sendOptions?: SendOptions) => post(`${pathOf(chat)}/redo`, {}, sendOptions),
    /** Begins the chat `to` with this session as it stands. */
    fork: (chat: string, to: string, sendOptions?: SendOptions) =>
      post(`${pathOf(chat)}/fork`, { to }, sendOptions),
    /** Decides what the agent asked. */
    answer: (chat: string, question: string, decision: Decision, sendOptions?: SendOptions) =>
      post(`${pathOf(chat)}/questions/${encodeURIComponent(question)}`, decision, sendOptions),
    questions: (chat: string, signal?: AbortSignal) =>
      json<OpenQuestions>(`${pathOf(chat)}/questions`, { signal }),
    /** Chats, the most recently used first. */
    chats: (page?: PageOptions) => get<ChatList>('/v1/chats', page),
    /** A chat and its turns, the newest page first. */
    chat: (chat: string, page?: PageOptions) => get<Chat>(pathOf(chat), page),
    turn: (turnId: string, signal?: AbortSignal) => json<Turn>(turnPath(turnId), { signal }),
    /** The events of a turn from its beginning; after a break it goes on where it was. */
    follow: (turnId: string, signal?: AbortSignal) => followTurn(requests, turnId, signal),
    /** Asks a turn to stop; what it said so far is the reply. */
    stop: (turnId: string) => json<Turn>(`${turnPath(turnId)}/stop`, { method: 'POST', body: {} }),
    /** For a back-end with a key. */
    webhooks: webhookCalls(requests, get),
    /** The chat, its turns and every file of its sessions, for good. */
    async erase(chat: string): Promise<void> {
      await requests.request(pathOf(chat), { method: 'DELETE' });
    },
  };
}

const pathOf = (chat: string) => `/v1/chats/${encodeURIComponent(chat)}`;
const turnPath = (turnId: string) => `/v1/turns/${encodeURIComponent(turnId)}`;

async function answerOf(events: AsyncIterable<ClientEvent>): Promise<Answer> {
  for await (const event of events) if (event.type === 'final') return event;
  throw new Error('A turn ended without its last event.');
}
