// The HTTP API, one function per route. Promises: a network failure is a `ConnectionLost`, an answer that is an
// error is an `ApiProblem`, and a 401 asks for the key once for all waiting requests, then goes on by itself.
/** @import { Accepted, Answer, ChatList, ChatPage, Folder, Info, OutboxEntry, Permission, Schedules, Timeline, Turn, UploadedFile } from './types.js' */

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
      // Files may lie with another server: that one is never shown the key.
      const isElsewhere = /^https?:/.test(path);
      /** @type {Record<string, string>} */
      const headers = { ...init.headers };
      if (key !== null && !isElsewhere) headers.Authorization = `Bearer ${key}`;
      const response = await fetch(path, { ...init, headers, cache: 'no-store' }).catch((cause) => {
        if (init.signal?.aborted) throw cause;
        throw new ConnectionLost('The server cannot be reached.', { cause });
      });
      if (response.status === 401 && !isElsewhere) {
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
      const { text, files } = entry;
      const body = { ...(text === '' ? {} : { text }), ...(files && { files }) };
      return post(`${chatPath(entry.chat)}/messages`, body, headers);
    },

    /**
     * Brings a file of a message to come, under that message's key.
     * @param {string} chat @param {string} key @param {File} file @param {AbortSignal} signal
     * @returns {Promise<UploadedFile>}
     */
    async upload(chat, key, file, signal) {
      const said = {
        name: file.name,
        bytes: file.size,
        ...(file.type === '' ? {} : { media_type: file.type }),
      };
      const announced = await json(`${chatPath(chat)}/files`, {
        method: 'POST',
        headers: { 'Idempotency-Key': key, 'Content-Type': 'application/json' },
        body: JSON.stringify(said),
        signal,
      });
      const { url, headers } = announced.upload;
      // Without a type of its own: it would be part of what is signed elsewhere.
      const response = await request(url, {
        method: 'PUT',
        headers,
        body: file.slice(0, file.size, ''),
        signal,
      });
      await response.body?.cancel();
      const { file: id, name, media_type } = announced;
      return { file: id, name, media_type };
    },

    /** @param {string} url as a turn names it @param {AbortSignal} [signal] @returns {Promise<Blob>} */
    download: async (url, signal) => (await request(url, signal ? { signal } : {})).blob(),

    /** @param {string} chat @param {string} path @param {string | null} cursor @returns {Promise<Folder>} */
    folder: (chat, path, cursor) => json(`${chatPath(chat)}/workspace?${query({ path, cursor })}`),

    /** @param {string} chat @param {string} path @returns {Promise<Blob>} */
    readFile: async (chat, path) =>
      (await request(`${chatPath(chat)}/workspace/file?${query({ path })}`)).blob(),

    /** @param {string} chat @returns {Promise<Schedules>} */
    schedules: (chat) => json(`${chatPath(chat)}/schedules`),

    /** @param {string} chat @param {string} id @param {'pause' | 'resume' | 'cancel' | 'run'} action @param {string} key */
    changeSchedule: (chat, id, action, key) =>
      post(`${chatPath(chat)}/schedules/${id}`, { action }, { 'Idempotency-Key': key }),

    /** @param {string} chat @returns {Promise<{ permissions: Permission[] }>} */
    permissions: (chat) => json(`${chatPath(chat)}/permissions`),

    /** @param {string} chat @param {string} id @returns {Promise<Answer>} */
    withdraw: (chat, id) => json(`${chatPath(chat)}/permissions/${id}`, { method: 'DELETE' }),

    /** @param {string} turnId @returns {Promise<Timeline>} */
    timeline: (turnId) => json(`/v1/turns/${encodeURIComponent(turnId)}/timeline`),

    /** Waits for its end. @param {string} chat @param {string} to @param {string} key @returns {Promise<Answer>} */
    fork: (chat, to, key) => post(`${chatPath(chat)}/fork`, { to }, { 'Idempotency-Key': key }),

    /** Waits for its end. @param {string} chat @param {number} turns @param {string} key @returns {Promise<Answer>} */
    undo: (chat, turns, key) => post(`${chatPath(chat)}/undo`, { turns }, { 'Idempotency-Key': key }),

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
