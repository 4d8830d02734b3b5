// What a Telegram failure means for us. The one question that matters is "may it have happened?": an edit may be
// repeated whatever happened to it, a send may not. Descriptions are Telegram's own texts, matched loosely
// because they are not a contract (https://core.telegram.org/bots/api#making-requests, read 2026-11).
import { GrammyError, HttpError } from 'grammy/web';
import { Ambiguous, Conflict, Gone, type HybridError, Invalid, Refused } from '../../core/errors.ts';
import { withoutToken } from './bot-token.ts';

/** `repeatable`: doing it twice is doing it once (edits, deletes, reads). */
export type CallKind = 'repeatable' | 'send';

const TOPIC_GONE = /thread not found|topic[_ ](?:closed|deleted|not[_ ]found|id[_ ]invalid)/i;
const CHAT_GONE =
  /chat not found|blocked by the user|user is deactivated|bot was kicked|bot is not a member|can't initiate conversation|have no rights to send|not enough rights to send|chat_write_forbidden|peer_id_invalid|group is deactivated|can't send messages to bots|send_(?:plain_)?text_forbidden/i;
const MESSAGE_GONE =
  /message to (?:edit|delete) not found|message can't be (?:edited|deleted)|message_id_invalid/i;
const NOT_MODIFIED = /message is not modified/i;

/** True when an edit was refused only because the message already says so. */
export function isNotModified(error: unknown): boolean {
  return error instanceof GrammyError && error.error_code === 400 && NOT_MODIFIED.test(error.description);
}

/** The supergroup that a group has become, when that is what an error says. */
export function movedTo(error: unknown): number | null {
  const chatId = error instanceof Gone && error.code === 'chat-moved' ? error.data.chatId : null;
  return typeof chatId === 'number' ? chatId : null;
}

export function telegramError(error: unknown, method: string, kind: CallKind, token: string): HybridError {
  if (error instanceof GrammyError) return answered(error, method, kind, token);
  const reason = error instanceof HttpError ? error.error : error;
  const text = reason instanceof Error ? `${reason.name}: ${reason.message}` : 'unknown';
  const data = { method };
  // The original may hold the URL, and so the token: only its cleaned text goes on.
  const cause = new Error(withoutToken(text, token));
  if (kind === 'send') {
    return new Ambiguous('no-answer', `Telegram did not answer ${method}; it may have arrived.`, {
      cause,
      data,
    });
  }
  return new Refused('no-answer', `Telegram did not answer ${method}.`, { cause, data, retryAfterMs: 1_000 });
}

function answered(error: GrammyError, method: string, kind: CallKind, token: string): HybridError {
  const status = error.error_code;
  const description = withoutToken(error.description, token);
  const message = `Telegram refused ${method}: ${status} ${description}`;
  const data = { method, status };
  if (status === 429) {
    const retryAfterMs = Math.ceil((error.parameters.retry_after ?? 1) * 1_000);
    return new Refused('rate-limited', message, { data, retryAfterMs });
  }
  if (status >= 500) {
    if (kind === 'send') return new Ambiguous('server-error', message, { data });
    return new Refused('server-error', message, { data, retryAfterMs: 1_000 });
  }
  if (status === 401 || status === 404) {
    const advice = 'Check the token with @BotFather; it may have been revoked.';
    return new Invalid('bad-token', message, { data, advice });
  }
  if (status === 409)
    return new Conflict('updates-conflict', message, { data, advice: conflictAdvice(description) });
  const chatId = error.parameters.migrate_to_chat_id;
  if (chatId !== undefined) return new Gone('chat-moved', message, { data: { ...data, chatId } });
  if (TOPIC_GONE.test(description)) return new Gone('topic-gone', message, { data });
  if (MESSAGE_GONE.test(description)) return new Gone('message-gone', message, { data });
  if (status === 403 || CHAT_GONE.test(description)) return new Gone('chat-gone', message, { data });
  return new Invalid('refused-content', message, { data });
}

function conflictAdvice(description: string): string {
  return /webhook/i.test(description)
    ? 'A webhook is set for this bot. Remove it (deleteWebhook) to poll here, or stop polling and keep the webhook.'
    : 'Another program polls with the same token. Stop the other one, or use a bot of its own.';
}
