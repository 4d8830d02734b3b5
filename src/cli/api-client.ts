// The terminal chat's client of the HTTP API. After a lost connection it reconnects: events continue after the last one
// seen, and a message is repeated under the same key, so that nothing is asked twice.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerInfo } from '../api/deps.ts';
import type { AnswerView, ChatView, FileView, TurnView } from '../api/views.ts';
import { backoffMs } from '../core/backoff.ts';
import { Ambiguous, Conflict, Gone, Invalid, Refused } from '../core/errors.ts';
import { readEvents } from './event-stream.ts';

export type WatchedEvent =
  | {
      readonly event: 'status';
      /** `text` and `next_try_at` (ISO 8601) of `waiting` only. */
      readonly data: {
        readonly status: string;
        readonly text?: string;
        readonly next_try_at?: string | null;
      };
    }
  | { readonly event: 'text'; readonly data: { readonly text: string } }
  | {
      readonly event: 'tool';
      readonly data: {
        readonly id: string;
        readonly name: string;
        readonly summary: string;
        readonly state: string;
      };
    }
  | { readonly event: 'final'; readonly data: AnswerView };

export type ChatWithTurns = Omit<ChatView, 'title'> & { readonly turns: readonly TurnView[] };

export interface ApiClient {
  info(): Promise<ServerInfo>;
  /** null when the chat has no message yet. */
  chat(chat: string): Promise<ChatWithTurns | null>;
  send(
    chat: string,
    message: { kind: 'message' | 'new'; text: string; key: string },
  ): Promise<{ turn_id: string }>;
  watch(turnId: string): AsyncGenerator<WatchedEvent>;
  stop(turnId: string): Promise<void>;
  /** The bytes of a file of a turn. */
  download(file: Pick<FileView, 'name' | 'url'>): Promise<ReadableStream<Uint8Array>>;
}

const PATIENCE_MS = 60_000;
const RECONNECTING = { firstMs: 200, maxMs: 5_000 };
/** What is over by then is not worth a word. */
const TOLD_AT_ATTEMPT = 4;

interface ApiClientOptions {
  readonly url: string;
  readonly key: string | null;
  /** Is told once for each request that has to be tried again and again, with what the server said. */
  readonly onAway?: (why: string) => void;
}

export function createApiClient({ url, key, onAway }: ApiClientOptions): ApiClient {
  async function request(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (key) headers.set('authorization', `Bearer ${key}`);
    const untilMs = Date.now() + PATIENCE_MS;
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await fetch(new URL(path, url), { ...init, headers });
        if (response.ok) return response;
        throw await problemOf(response);
      } catch (error) {
        const passing = error instanceof TypeError || error instanceof Refused;
        // If the first request fails there is no server, and that is reported. Later requests are retried.
        if (!passing || Date.now() > untilMs)
          throw error instanceof TypeError ? unreachable(url, error) : error;
        if (!reached && error instanceof TypeError) throw unreachable(url, error);
        const why = error instanceof Refused ? error.message : 'The server cannot be reached.';
        if (attempt === TOLD_AT_ATTEMPT) onAway?.(why);
        await sleep(backoffMs(RECONNECTING, attempt));
      }
    }
  }
  let reached = false;

  return {
    async info() {
      const info = (await (await request('/v1/info')).json()) as ServerInfo;
      reached = true;
      return info;
    },
    async chat(chat) {
      try {
        return (await (
          await request(`/v1/chats/${encodeURIComponent(chat)}?limit=1`)
        ).json()) as ChatWithTurns;
      } catch (error) {
        if (error instanceof Gone) return null;
        throw error;
      }
    },
    async send(chat, { kind, text, key: idempotencyKey }) {
      const path = `/v1/chats/${encodeURIComponent(chat)}/${kind === 'new' ? 'new' : 'messages'}`;
      const headers = {
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey,
        prefer: 'respond-async',
      };
      const body = JSON.stringify(kind === 'new' ? {} : { text });
      // If the reply existed already, the answer is a whole turn, which also has the id.
      return (await (await request(path, { method: 'POST', headers, body })).json()) as { turn_id: string };
    },
    async *watch(turnId) {
      let lastEventId: string | null = null;
      for (;;) {
        const headers = lastEventId === null ? {} : { 'last-event-id': lastEventId };
        const response = await request(`/v1/turns/${turnId}/events`, { headers: { ...headers } });
        if (response.status === 204 || !response.body) return;
        try {
          for await (const { id, event, data } of readEvents(response.body)) {
            lastEventId = id ?? lastEventId;
            yield { event, data: JSON.parse(data) } as WatchedEvent;
            if (event === 'final') return;
          }
        } catch (error) {
          if (!(error instanceof TypeError)) throw error;
        }
        await sleep(200);
      }
    },
    async download({ name, url: path }) {
      const body = path === null ? null : (await request(path)).body;
      if (body === null) throw new Gone('no-file', `${name} is not kept here.`);
      return body;
    },
    async stop(turnId) {
      const headers = { 'content-type': 'application/json' };
      await request(`/v1/turns/${turnId}/stop`, { method: 'POST', headers, body: '{}' });
    },
  };
}

async function problemOf(response: Response): Promise<Error> {
  const body = (await response.json().catch(() => ({}))) as { detail?: string; code?: string };
  const detail = body.detail ?? `The server answered ${response.status}.`;
  const code = body.code ?? 'http';
  if (response.status === 404) return new Gone(code, detail);
  if (response.status === 503 || response.status === 429) return new Refused(code, detail);
  // The server failed, and whether the request had its effect is unknown.
  if (response.status >= 500) return new Ambiguous(code, detail);
  if (response.status === 409) return new Conflict(code, detail);
  const advice =
    response.status === 401
      ? 'Give the key with --key or HYBRID_SESSIONS_API_KEY, or the data folder of a server here with --data.'
      : undefined;
  return new Invalid(code, detail, advice === undefined ? {} : { advice });
}

function unreachable(url: string, cause: unknown): Invalid {
  return new Invalid('unreachable', `No server answers at ${url}.`, {
    cause,
    advice: 'Start one with `hybrid-sessions start`, or leave --url out.',
  });
}
