// One request of an agent and its answer, whatever server took it in. Bodies of requests are whole, those of answers
// come as they come.
import type { Readable } from 'node:stream';

export interface Call {
  readonly method: string;
  /** Path and query. */
  readonly url: URL;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The agent hung up, or its turn is over. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable | string;
}

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  404: 'not_found_error',
  413: 'request_too_large',
};

/** In the form that the CLI reads. `final`: it is not to try again by itself. */
export function fault(status: number, message: string, options: { readonly final?: boolean } = {}): Answer {
  const type = ERROR_TYPES[status] ?? 'api_error';
  return {
    status,
    headers: {
      'content-type': 'application/json',
      ...(options.final ? { 'x-should-retry': 'false' } : {}),
    },
    body: JSON.stringify({ type: 'error', error: { type, message } }),
  };
}

/** What lies between one hop and the next, and what the connection to the agent decides for itself. */
const OF_THE_HOP =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|set-cookie|alt-svc)$/;

export function answerHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  isDecoded: boolean,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || OF_THE_HOP.test(name)) continue;
    if (isDecoded && (name === 'content-length' || name === 'content-encoding')) continue;
    kept[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return kept;
}

/** In seconds or as a date, by RFC 9110; `retry-after-ms` is more exact. */
export function retryAfter(headers: Readonly<Record<string, string | string[] | undefined>>): {
  readonly retryAfterMs?: number;
} {
  const exact = Number(headers['retry-after-ms'] ?? Number.NaN);
  if (exact >= 0) return { retryAfterMs: exact };
  const text = headers['retry-after'];
  if (typeof text !== 'string') return {};
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? { retryAfterMs: Math.max(0, Math.round(ms)) } : {};
}

/** Nothing wrong with the request: the same one may go well later. */
export function isOutage(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}
