// What a Slack failure means for us. The one question that matters is "may it have happened?": an edit may be repeated
// whatever happened to it, a send may not. Slack names its refusals by codes, and says of two of them that the call may
// have been carried out all the same (https://docs.slack.dev/reference/methods/chat.postMessage, read 2026-11).
import {
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
} from '@slack/web-api';
import { Ambiguous, Gone, type HybridError, Invalid, Refused } from '../../core/errors.ts';

/** `repeatable`: doing it twice is doing it once (edits, deletes, reads). */
export type CallKind = 'repeatable' | 'send';

const BAD_TOKEN = new Set([
  'account_inactive',
  'invalid_auth',
  'not_authed',
  'token_expired',
  'token_revoked',
]);
const NOT_PERMITTED = new Set(['missing_scope', 'not_allowed_token_type', 'no_permission', 'access_denied']);
const CHAT_GONE = new Set([
  'cannot_reply_to_message',
  'channel_is_archived',
  'channel_not_found',
  'is_archived',
  'messages_tab_disabled',
  'not_in_channel',
  'restricted_action',
  'restricted_action_non_threadable_channel',
  'restricted_action_read_only_channel',
  'restricted_action_thread_locked',
  'restricted_action_thread_only_channel',
  'team_not_found',
  'thread_not_found',
  'user_not_found',
  'user_not_in_channel',
]);
const MESSAGE_GONE = new Set([
  'cant_delete_message',
  'cant_update_message',
  'edit_window_closed',
  'message_not_found',
]);
const BUSY = new Set(['ratelimited', 'rate_limited', 'message_limit_exceeded', 'team_added_to_org']);
/** The platform's own faults; some of the call may have been done before it. */
const SERVER = new Set(['fatal_error', 'internal_error', 'request_timeout', 'service_unavailable']);

export function slackError(error: unknown, method: string, kind: CallKind): HybridError {
  if (error instanceof WebAPIRateLimitedError) {
    return new Refused('rate-limited', `Slack limits ${method}.`, {
      data: { method },
      retryAfterMs: Math.max(1, Math.ceil(error.retryAfter * 1_000)),
    });
  }
  if (error instanceof WebAPIPlatformError) return refused(error.data.error, method, kind);
  if (error instanceof WebAPIHTTPError) {
    const { statusCode: status } = error;
    if (status >= 500) return failed('server-error', `Slack failed at ${method}: ${status}.`, method, kind);
    return new Invalid('refused-call', `Slack refused ${method}: ${status}.`, { data: { method, status } });
  }
  const reason = error instanceof WebAPIRequestError ? error.original : error;
  const text = reason instanceof Error ? `${reason.name}: ${reason.message}` : 'unknown';
  return failed('no-answer', `Slack did not answer ${method}.`, method, kind, new Error(text));
}

function refused(code: string, method: string, kind: CallKind): HybridError {
  const message = `Slack refused ${method}: ${code}.`;
  const data = { method, error: code };
  if (BUSY.has(code)) return new Refused('rate-limited', message, { data, retryAfterMs: 5_000 });
  if (SERVER.has(code)) return failed('server-error', message, method, kind);
  if (BAD_TOKEN.has(code)) {
    const advice = 'Install the app again and take the bot token from "OAuth & Permissions" of its settings.';
    return new Invalid('bad-token', message, { data, advice });
  }
  if (NOT_PERMITTED.has(code)) {
    const advice = 'Give the app the scopes of docs/slack.md and install it again.';
    return new Invalid('not-permitted', message, { data, advice });
  }
  if (MESSAGE_GONE.has(code)) return new Gone('message-gone', message, { data });
  if (CHAT_GONE.has(code)) return new Gone('chat-gone', message, { data });
  return new Invalid('refused-content', message, { data });
}

function failed(code: string, message: string, method: string, kind: CallKind, cause?: Error): HybridError {
  const options = { data: { method }, cause };
  if (kind === 'send') return new Ambiguous(code, `${message} It may have arrived.`, options);
  return new Refused(code, message, { ...options, retryAfterMs: 1_000 });
}
