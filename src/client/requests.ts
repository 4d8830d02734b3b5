// One request to the API: the address, the token, and what became of it. A refused token is asked for anew, once.
import { backoffMs } from '../core/backoff.ts';
import { ApiProblem, ConnectionLost, isPassing, problemOf } from './problem.ts';

export interface ClientOptions {
  /** Where the API is: its origin, or where your program mounted it. In a browser it may be a path. */
  readonly url: string;
  /** A key, or a person's token; a function is asked for one, and again after one was refused. Left out: none is sent. */
  readonly token?: string | ((refused: string | null) => string | Promise<string>);
  /** @default the global one */
  readonly fetch?: (input: string, init: RequestInit) => Promise<Response>;
  /** Told of each failure that is tried again, and null when the line is back. For showing it. */
  readonly onTrouble?: (error: unknown) => void;
}

export interface PageOptions {
  /** 1 to 200; 50 when left out. */
  readonly limit?: number;
  readonly cursor?: string;
  readonly signal?: AbortSignal;
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const AGAIN = { firstMs: 500, maxMs: 15_000, jitter: 0.5 };

export type Requests = ReturnType<typeof createRequests>;

export function createRequests({ url, token, fetch: given, onTrouble = () => {} }: ClientOptions) {
  const base = url.replace(/\/+$/, '');
  const ask = given ?? ((input, init) => globalThis.fetch(input, init));
  let known: Promise<string> | null = null;

  function currentToken(refused: string | null): Promise<string> {
    if (typeof token !== 'function') return Promise.resolve(token ?? '');
    if (known === null || refused !== null) {
      known = Promise.resolve(token(refused));
      known.catch(() => {
        known = null;
      });
    }
    return known;
  }

  async function once(path: string, call: Call, bearer: string): Promise<Response> {
    const { method = 'GET', body, headers, signal } = call;
    try {
      return await ask(base + path, {
        method,
        headers: {
          ...headers,
          ...(bearer !== '' && { authorization: `Bearer ${bearer}` }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
        cache: 'no-store',
      });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new ConnectionLost('The server cannot be reached.', { cause });
    }
  }

  /** Throws `ApiProblem` for an answer that is an error. */
  async function request(path: string, call: Call = {}): Promise<Response> {
    const bearer = await currentToken(null);
    let response = await once(path, call, bearer);
    if (response.status === 401 && typeof token === 'function') {
      response = await once(path, call, await currentToken(bearer));
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  async function json<T>(path: string, call: Call = {}): Promise<T> {
    const response = await request(path, call);
    try {
      return (await response.json()) as T;
    } catch (cause) {
      call.signal?.throwIfAborted();
      throw new ConnectionLost('The answer broke off.', { cause });
    }
  }

  /** Tries until it succeeds or cannot: for what may be asked any number of times. */
  async function untilDone<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        const done = await work();
        if (failures > 1) onTrouble(null);
        return done;
      } catch (error) {
        if (!isPassing(error)) throw error;
        onTrouble(error);
        await pause(error, failures, signal);
      }
    }
  }

  return { request, json, untilDone, onTrouble };
}

/** Never before the time that the server named. Ends early when the signal aborts, by throwing its reason. */
export async function pause(error: unknown, failures: number, signal?: AbortSignal): Promise<void> {
  const named = error instanceof ApiProblem ? (error.retryAfterMs ?? 0) : 0;
  const waitMs = Math.max(named, backoffMs(AGAIN, failures));
  let end = () => {};
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
  });
  signal?.removeEventListener('abort', end);
  signal?.throwIfAborted();
}
