// One call of a platform's JSON API, and what its failure means for a reply. The one question that matters is "may it have
// happened?": what cannot be repeated safely and got no answer is `Ambiguous`. Errors name neither headers nor path, where
// platforms put their secrets.
import { Ambiguous, Gone, type HybridError, Invalid, Refused } from '../core/errors.ts';

export interface PlatformCall {
  /** @default POST */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** @default 10 seconds */
  readonly timeoutMs?: number;
  /** Doing it twice is doing it once: an edit, a deletion, a read. */
  readonly repeatable?: boolean;
}

const TIMEOUT_MS = 10_000;
const AGAIN_MS = 1_000;

/** What it answered; null where that is no JSON. Throws one of the families. */
export async function callPlatform(url: string, call: PlatformCall = {}): Promise<unknown> {
  const { method = 'POST', body, timeoutMs = TIMEOUT_MS } = call;
  const headers = { ...call.headers, ...(body !== undefined && { 'content-type': 'application/json' }) };
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers,
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    text = await response.text();
  } catch (error) {
    const reason = error instanceof Error ? error.name : 'unknown';
    throw unanswered('no-answer', `${hostOf(url)} did not answer (${reason}).`, call);
  }
  if (response.ok) return jsonOf(text);
  throw failureOf(response, url, call);
}

/** What is no JSON is null. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function failureOf({ status, headers }: Response, url: string, call: PlatformCall): HybridError {
  const message = `${hostOf(url)} refused a call: ${status}.`;
  const data = { status };
  if (status === 429) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN);
    const retryAfterMs = seconds > 0 ? Math.ceil(seconds * 1_000) : AGAIN_MS;
    return new Refused('rate-limited', message, { data, retryAfterMs });
  }
  if (status === 401) return new Invalid('bad-token', message, { data });
  if (status === 403 || status === 404 || status === 410) return new Gone('chat-gone', message, { data });
  if (status < 500) return new Invalid('refused-content', message, { data });
  return unanswered('server-error', `${hostOf(url)} failed: ${status}.`, call);
}

function unanswered(code: string, message: string, { repeatable }: PlatformCall): HybridError {
  if (repeatable) return new Refused(code, message, { retryAfterMs: AGAIN_MS });
  return new Ambiguous(code, `${message} It may have happened.`);
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'The platform';
}
