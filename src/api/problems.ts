// Errors as RFC 9457 problem details. A known family keeps its code and text; anything else becomes a plain 500
// with an id that finds the log line, so that no stack, path or secret reaches a client.
import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import {
  Ambiguous,
  Conflict,
  Corrupt,
  Gone,
  type HybridError,
  Invalid,
  isHybridError,
  Refused,
} from '../core/errors.ts';
import { OverLimit } from '../core/limits.ts';
import { errorFields, type Log } from '../core/log.ts';
import { NotServed } from '../core/standing.ts';

export interface ProblemInput {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly detail: string;
  readonly headers?: Record<string, string>;
  /** More members of the problem object, e.g. `errors` with one line per field. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request is wrong',
  401: 'A bearer key is required',
  403: 'Not from here',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Too slow',
  409: 'Busy',
  413: 'Too large',
  415: 'Send JSON',
  422: 'Key used before',
  429: 'Too many',
  431: 'Too large',
  500: 'Internal error',
  503: 'Try again',
};

/** Thrown by a route; the app turns it into the answer. */
export class ProblemError extends Error {
  readonly problem: ProblemInput;
  constructor(problem: ProblemInput) {
    super(problem.detail);
    this.problem = problem;
  }
}

export function refuse(
  status: ContentfulStatusCode,
  code: string,
  detail: string,
  more: Pick<ProblemInput, 'headers' | 'extra'> = {},
): never {
  throw new ProblemError({ status, code, detail, ...more });
}

export function problemResponse(problem: ProblemInput): Response {
  const { status, code, detail, headers, extra } = problem;
  const body = {
    type: `urn:hybrid-sessions:problem:${code}`,
    title: TITLES[status],
    status,
    detail,
    code,
    ...extra,
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...headers, 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
  });
}

/** The answer to any error that a route throws. */
export function answerError(error: unknown, context: Context, log: Log): Response {
  if (error instanceof ProblemError) return problemResponse(error.problem);
  const known = isHybridError(error) ? fromFamily(error) : null;
  if (known && known.status < 500) return problemResponse(known);
  const errorId = randomUUID().slice(0, 8);
  log('error', 'request-failed', { errorId, method: context.req.method, ...errorFields(error) });
  return problemResponse({
    status: known?.status ?? 500,
    code: known?.code ?? 'internal',
    detail: known?.detail ?? `Something failed here. The server's log has the reason under ${errorId}.`,
    headers: known?.headers,
    extra: { error_id: errorId },
  });
}

function fromFamily(error: HybridError): ProblemInput | null {
  const { code, message: detail } = error;
  if (error instanceof NotServed) return { status: 403, code, detail };
  if (error instanceof Invalid) return { status: code === 'idempotency-mismatch' ? 422 : 400, code, detail };
  if (error instanceof Gone) return { status: 404, code, detail };
  if (error instanceof Conflict) return { status: 409, code, detail };
  if (error instanceof Refused) {
    const seconds = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
    const status = error instanceof OverLimit ? 429 : 503;
    return { status, code, detail, headers: { 'retry-after': seconds } };
  }
  // The request may or may not have had its effect: with an idempotency key, repeating it is safe.
  if (error instanceof Ambiguous) return { status: 503, code, detail, headers: { 'retry-after': '1' } };
  if (error instanceof Corrupt) return { status: 500, code, detail };
  return null;
}
