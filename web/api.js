// The HTTP API, one function per route. Promises: a network failure is a `ConnectionLost`, an answer that is an
// error is an `ApiProblem`, and a 401 asks for the key once for all waiting requests, then goes on by itself.
/** @import { Accepted, ChatList, ChatPage, Info, OutboxEntry, Turn } from './types.js' */

/** The server did not answer: nothing is known about what it did. */
export class ConnectionLost extends Error {}

/** The server answered with problem details (RFC 9457), or with an error that has none. */
export class ApiProblem extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {string} code
   * @param {number | null} retryAfterMs
   */
  constructor(status, detail, code, retryAfterMs) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** @param {unknown} error True where the same request may succeed in a while. */
export function isPassing(error) {
  if (error instanceof ConnectionLost) return true;
  return error instanceof ApiProblem && (error.status >= 500 || error.status === 429 || error.status === 408);
}

/** @typedef {ReturnType<typeof createApi>} Api */

/** @param {{ keys: { current(): string | null, ask(refused: string | null): Promise<string> } }} options */
export function createApi({ keys }) {
  /**
   * @param {string} path
   * @param {RequestInit & { headers?: Record<string, string> }} [init]
   * @returns {Promise<Response>}
   */
  async function request(path, init = {}) {
    let key = keys.current();
    for (;;) {
      const headers = { ...init.headers, ...(key === null ? {} : { Authorization: `Bearer ${key}` }) };
      const response = await fetch(path, { ...init, headers, cache: 'no-store' }).catch((cause) => {
        if (init.signal?.aborted) throw cause;
        throw new ConnectionLost('The server cannot be reached.', { cause });
      });
      if (response.status === 401) {
        key = await keys.ask(key);
        continue;
      }
      if (!response.ok) throw await problemOf(response);
      return response;
    }
  }

  /**
   * @template T
   * @param {string} path
   * @param {RequestInit & { headers?: Record<string, string> }} [init]
   * @returns {Promise<T>}
   */
  async function json(path, init) {
    const response = await request(path, init);
    try {
      return await response.json();
    } catch (cause) {
      if (init?.signal?.aborted) throw cause;
      throw new ConnectionLost('The answer broke off.', { cause });
    }
  }

  /**
   * @template T
   * @param {string} path
   * @param {object} body
   * @param {Record<string, string>} [headers]
   * @returns {Promise<T>}
   */
  function post(path, body, headers) {
    const all = { ...headers, 'Content-Type': 'application/json' };
    return json(path, { method: 'POST', headers: all, body: JSON.stringify(body) });
  }

  return {
    request,
    /** @returns {Promise<Info>} */
    info: () => json('/v1/info'),

    /** @param {string | null} cursor @returns {Promise<ChatList>} */
    chats: (cursor) => json(`/v1/chats?${query({ cursor, limit: 40 })}`),

    /**
     * @param {string} chat
     * @param {{ cursor: string | null, limit: number, signal: AbortSignal }} options
     * @returns {Promise<ChatPage>}
     */
    chat: (chat, { cursor, limit, signal }) =>
      json(`${chatPath(chat)}?${query({ cursor, limit })}`, { signal }),

    /**
     * Hands a message over without waiting for its reply. The same entry again is never a second turn.
     * @param {OutboxEntry} entry
     * @returns {Promise<Accepted>}
     */
    send(entry) {
      const headers = { 'Idempotency-Key': entry.key, Prefer: 'respond-async' };
      if (entry.kind === 'new') return post(`${chatPath(entry.chat)}/new`, {}, headers);
      if (entry.answer) {
        const { question, ...decision } = entry.answer;
        return post(`${chatPath(entry.chat)}/questions/${encodeURIComponent(question)}`, decision, headers);
      }
      return post(`${chatPath(entry.chat)}/messages`, { text: entry.text }, headers);
    },

    /** @param {string} turnId @returns {Promise<Turn>} */
    stop: (turnId) => post(`/v1/turns/${encodeURIComponent(turnId)}/stop`, {}),

    /** @param {string} chat */
    async erase(chat) {
      await request(chatPath(chat), { method: 'DELETE' });
    },
  };
}

/** @param {string} chat */
function chatPath(chat) {
  return `/v1/chats/${encodeURIComponent(chat)}`;
}

/** @param {Record<string, string | number | null>} parameters */
function query(parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) search.set(name, String(value));
  }
  return search.toString();
}

/** @param {Response} response */
async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return new ApiProblem(
    response.status,
    String(body.detail ?? body.title ?? `The server answered ${response.status}.`),
    String(body.code ?? ''),
    Number.isFinite(seconds) ? seconds * 1000 : null,
  );
}
