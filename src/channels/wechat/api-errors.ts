// What an answer of the WeChat API means for us. It answers 200 with an `errcode`; codes as documented at
// https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html (read 2026-11). Texts of
// errors hold ids and hints of WeChat's own and never a token.
import { Ambiguous, Gone, type HybridError, Invalid, Refused } from '../../core/errors.ts';

export interface WechatAnswer {
  readonly errcode: number;
  readonly errmsg: string;
}

/** Another worker's token is the valid one, or this one's two hours are over. */
const TOKEN_REFUSED = new Set([40001, 40014, 42001]);
/** What an operator mends; the reply waits for it. */
const SETTINGS: Readonly<Record<number, string>> = {
  40002: 'The account does not take this way to ask for a token.',
  40013: 'Check WECHAT_APP_ID.',
  40125: 'Check WECHAT_APP_SECRET; it may have been reset.',
  40164:
    'Add the address that this program calls from to the IP allow-list of the account, or send through a fixed one.',
  40243: 'The app secret is frozen: unfreeze it on the page of the account.',
  41002: 'Check WECHAT_APP_ID.',
  41004: 'Check WECHAT_APP_SECRET.',
  48001: 'This account may not send customer-service messages: it must be a verified service account.',
  50002: 'The account is restricted: look at its page.',
  61004: 'Add the address that this program calls from to the IP allow-list of the account.',
};
const BUSY = new Set([-1, 45011, 50001]);
/** Texts and files that it does not take, for what they are or how large. */
const REFUSED_CONTENT = new Set([
  44004, 45002, 87014, 40004, 40005, 40006, 40008, 41005, 43012, 44001, 45001,
]);

const BUSY_MS = 2_000;
const QUOTA_MS = 10 * 60_000;
const SETTINGS_MS = 60_000;

export function isTokenRefused({ errcode }: WechatAnswer): boolean {
  return TOKEN_REFUSED.has(errcode);
}

/** `errcode` is not 0. */
export function wechatError({ errcode, errmsg }: WechatAnswer, method: string): HybridError {
  const message = `WeChat refused ${method}: ${errcode} ${errmsg}`;
  const data = { method, errcode };
  if (errcode === 45015) return new Gone('reply-window-closed', message, { data });
  if (errcode === 45047) return new Gone('reply-quota-used', message, { data });
  if (errcode === 40003 || errcode === 43004) return new Gone('chat-gone', message, { data });
  if (REFUSED_CONTENT.has(errcode)) return new Invalid('refused-content', message, { data });
  if (BUSY.has(errcode)) return new Refused('busy', message, { data, retryAfterMs: BUSY_MS });
  if (errcode === 45009) return new Refused('rate-limited', message, { data, retryAfterMs: QUOTA_MS });
  if (isTokenRefused({ errcode, errmsg })) {
    return new Refused('token-refused', message, { data, retryAfterMs: BUSY_MS });
  }
  const advice = SETTINGS[errcode];
  if (advice) return new Refused('not-set-up', message, { data, advice, retryAfterMs: SETTINGS_MS });
  return new Invalid('refused', message, { data });
}

const NEVER_LEFT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** No answer came. `repeatable`: doing it twice is doing it once. */
export function noAnswer(error: unknown, method: string, kind: 'repeatable' | 'send'): HybridError {
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (reason as { readonly code?: unknown } | null)?.code;
  const name = typeof code === 'string' ? code : reason instanceof Error ? reason.name : 'unknown';
  const data = { method, reason: name };
  const message = `WeChat did not answer ${method} (${name}).`;
  if (kind === 'repeatable' || NEVER_LEFT.has(name)) return new Refused('no-answer', message, { data });
  return new Ambiguous('no-answer', `${message} It may have arrived.`, { data });
}
