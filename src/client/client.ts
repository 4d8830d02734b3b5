// A client of the HTTP API for browsers and Node. It sends again what got no answer, always under the same idempotency
// key, so that one call is one turn; and it follows a turn over lost connections. It keeps nothing.
import { type FileToSend, uploadFile } from './files.ts';
import { followTurn } from './follow-turn.ts';
import { ApiProblem } from './problem.ts';
import { type ClientOptions, createRequests, type PageOptions } from './requests.ts';
import type {
  Answer,
  Chat,
  ChatList,
  ClientEvent,
  Decision,
  FileOfTurn,
  OpenQuestions,
  Turn,
  WorkspaceFolder,
} from './shapes.ts';
import { webhookCalls } from './webhooks.ts';

export interface SendOptions {
  /** The same key in the same chat is the same message, however often it is sent. @default a new one */
  readonly idempotencyKey?: string;
  /** Ends sending and waiting, not the turn. */
  readonly signal?: AbortSignal;
}

export interface MessageOptions extends SendOptions {
  /** Given to the agent with the message; up to 20, each up to 50 MB. */
  readonly files?: readonly FileToSend[];
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
    return begin(path, async () => body, sendOptions);
  }

  /** `completed` makes the body, under the message's key. */
  function begin(path: string, completed: (key: string) => Promise<object>, sendOptions: SendOptions): Sent {
    const { idempotencyKey = crypto.randomUUID(), signal } = sendOptions;
    const headers = { 'idempotency-key': idempotencyKey, prefer: 'respond-async' };
    async function take(): Promise<string> {
      const whole = await completed(idempotencyKey);
      const ask = () => json<{ turn_id: string }>(path, { method: 'POST', body: whole, headers, signal });
      return (await requests.untilDone(ask, signal)).turn_id;
    }
    const accepted = take();
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

  const get = <T>(
    path: string,
    { limit, cursor, signal }: PageOptions = {},
    more: Readonly<Record<string, string>> = {},
  ) => {
    const query = new URLSearchParams({
      ...more,
      ...(limit && { limit: String(limit) }),
      ...(cursor && { cursor }),
    });
    return json<T>(`${path}${query.size > 0 ? `?${query}` : ''}`, { signal });
  };

  return {
    /** Sends a message: one turn. Its chat begins with the first one. */
    send(chat: string, text: string, { files = [], ...sendOptions }: MessageOptions = {}) {
      const path = pathOf(chat);
      const withFiles = async (key: string) => {
        const uploaded = [];
        for (const file of files) {
          uploaded.push(await uploadFile(requests, path, file, key, sendOptions.signal));
        }
        return { ...(text !== '' && { text }), ...(uploaded.length > 0 && { files: uploaded }) };
      };
      return begin(`${path}/messages`, withFiles, sendOptions);
    },
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
    /** The bytes of a file of a turn. */
    async download({ url, name }: FileOfTurn, signal?: AbortSignal): Promise<Blob> {
      if (url === null) throw new ApiProblem(404, 'unknown-file', `${name} is not kept here.`);
      return await (await requests.request(url, { signal })).blob();
    },
    /** What is in a folder of the session's working directory, folders first; `` for the directory itself. */
    folder: (chat: string, path = '', page?: PageOptions) =>
      get<WorkspaceFolder>(`${pathOf(chat)}/workspace`, page, { path }),
    /** A file of the working directory, as the last turn left it. */
    async readFile(chat: string, path: string, signal?: AbortSignal): Promise<Blob> {
      const query = new URLSearchParams({ path });
      return await (await requests.request(`${pathOf(chat)}/workspace/file?${query}`, { signal })).blob();
    },
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
