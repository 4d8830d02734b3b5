// The one call that answers a message: a POST to the address that came with it, which takes exactly one. So a second one that
// is refused after a first whose answer was lost says that the first arrived.
import { z } from 'zod';
import { Ambiguous, Gone, Refused } from '../../core/errors.ts';

export interface WecomApi {
  /** Gone('response-url-used') when the address takes nothing (any more). */
  respond(responseUrl: string, markdown: string): Promise<void>;
}

const answerSchema = z.looseObject({ errcode: z.number(), errmsg: z.string().default('') });
/** Nothing was done: the system is busy, or was asked too often. */
const BUSY = new Set([-1, 45009, 45033, 50001]);
const BUSY_MS = 2_000;
const NEVER_LEFT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

export function createWecomApi({ timeoutMs = 10_000 }: { readonly timeoutMs?: number } = {}): WecomApi {
  return {
    async respond(responseUrl, markdown) {
      const answer = await post(
        responseUrl,
        { msgtype: 'markdown', markdown: { content: markdown } },
        timeoutMs,
      );
      if (answer.errcode === 0) return;
      const message = `WeCom refused the answer: ${answer.errcode} ${answer.errmsg}`;
      const data = { errcode: answer.errcode };
      if (BUSY.has(answer.errcode)) throw new Refused('busy', message, { data, retryAfterMs: BUSY_MS });
      throw new Gone('response-url-used', message, { data });
    },
  };
}

async function post(url: string, body: object, timeoutMs: number) {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    });
    return answerSchema.parse(await response.json());
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = (reason as { readonly code?: unknown } | null)?.code;
    const name = typeof code === 'string' ? code : reason instanceof Error ? reason.name : 'unknown';
    const data = { reason: name };
    // The address is a secret of this message: the original error could hold it.
    if (NEVER_LEFT.has(name)) throw new Refused('no-answer', `WeCom did not answer (${name}).`, { data });
    throw new Ambiguous('no-answer', `WeCom did not answer (${name}). It may have arrived.`, { data });
  }
}
