// What polling and webhook do alike with one update: hand turns on, answer fixed questions once per album, and tell
// the operator once about each stranger. `accept` resolves when the turn is in the durable queue; only then may
// the update be acknowledged (ACKED).
import { isEdit } from '../../core/edited-message.ts';
import { Invalid } from '../../core/errors.ts';
import { type Conversation, type SessionKey, sessionKeyOf } from '../../core/ids.ts';
import { OverLimit } from '../../core/limits.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import { isReaction } from '../../core/reactions.ts';
import { NotServed } from '../../core/standing.ts';
import { cutText } from '../../text/cut-text.ts';
import type { BotIdentity } from './api.ts';
import { NOTHING_TO_STOP, stoppingText } from './commands.ts';
import { type ParsedUpdate, parseUpdate, type UpdatePolicy } from './parse-update.ts';
import { replyTargetOf, type TelegramReplyTarget } from './reply-target.ts';

export interface InletOptions {
  readonly bot: BotIdentity;
  readonly policy: UpdatePolicy;
  /** Resolves once the turn is durable in the queue. */
  readonly accept: (request: TurnRequest) => Promise<void>;
  /** Asks the conversation's unfinished turns that `applies` holds for to stop; resolves to how many there are. */
  readonly stop: StopTurns;
  /** Lets a conversation go on, with its session, under another key; resolves once that is durable in the queue. */
  readonly move: MoveConversation;
  readonly log: Log;
}

export type MoveConversation = (from: Conversation, to: Conversation, atMs: number) => Promise<void>;

export type StopTurns = (
  key: SessionKey,
  applies: (turn: Pick<TurnRequest, 'dedupeId'>) => boolean,
) => Promise<number>;

export type FixedReply =
  | Extract<ParsedUpdate, { kind: 'command-reply' }>
  /** Due for every press; the text is shown for a moment. */
  | { readonly kind: 'press-reply'; readonly pressId: string; readonly text: string | null }
  /** The message is taken in, and the agent begins. Only where it costs no request. */
  | { readonly kind: 'typing'; readonly target: TelegramReplyTarget }
  | { readonly kind: 'leave'; readonly chatId: number }
  | { readonly kind: 'guest-reply'; readonly queryId: string; readonly text: string }
  | { readonly kind: 'text'; readonly chatId: number; readonly text: string };

export interface Inlet {
  /** Rejects when the update must come again. Returns the fixed reply that is due, if any. */
  take(update: unknown, receivedAtMs: number): Promise<FixedReply | null>;
}

const CANNOT_ACCEPT = 'I cannot take this message. Please write it differently.';
/** Faults of the message itself; any other fault is ours, and the message waits until it is mended. */
const NEVER_ACCEPTED = new Set(['bad-message', 'idempotency-mismatch']);
/** What Telegram shows in answer to a press. */
const MAX_PRESS_TEXT = 200;
/** Albums and strangers remembered at most. */
const MEMORY = 500;

export function createInlet(options: InletOptions): Inlet {
  const { bot, policy, log } = options;
  const albums = new Set<string>();
  const strangers = new Set<string>();
  if (policy.allow.problem) {
    log('warn', 'telegram-nobody-allowed', { bot: bot.id, problem: policy.allow.problem });
  }
  return {
    async take(update, receivedAtMs) {
      const parsed = parseUpdate(update, bot, policy, receivedAtMs);
      if (parsed.kind === 'moved') {
        await options.move(parsed.from, parsed.to, receivedAtMs);
        return null;
      }
      if (parsed.kind === 'press') {
        const refused = parsed.request && (await acceptTurn(options, parsed.request));
        const text = refused?.kind === 'command-reply' ? cutText(refused.text, MAX_PRESS_TEXT, '…') : null;
        return { kind: 'press-reply', pressId: parsed.pressId, text };
      }
      if (parsed.kind === 'turn') {
        const refused = await acceptTurn(options, parsed.request);
        const last = parsed.next ? ((await acceptTurn(options, parsed.next)) ?? refused) : refused;
        if (last !== null || isEdit(parsed.request) || isReaction(parsed.request)) return last;
        return { kind: 'typing', target: replyTargetOf(parsed.request) };
      }
      // Beside the queue, where it would wait behind what it is to stop.
      if (parsed.kind === 'stop') {
        const turns = await options.stop(sessionKeyOf(parsed.conversation), parsed.isEarlier);
        if (parsed.next) return (await acceptTurn(options, parsed.next)) ?? stopped(parsed.target, turns);
        return stopped(parsed.target, turns);
      }
      if (parsed.kind === 'stop-draft') {
        // The turn answers for itself, with what it had until then.
        await options.stop(sessionKeyOf(parsed.conversation), parsed.isShown);
        return null;
      }
      if (parsed.kind === 'command-reply') {
        if (parsed.next) return (await acceptTurn(options, parsed.next)) ?? parsed;
        return parsed.albumId === null || isFirst(albums, parsed.albumId) ? parsed : null;
      }
      if (parsed.kind === 'leave') {
        log('warn', 'telegram-group-left', { bot: bot.id, chat: parsed.chatId, addedBy: parsed.addedBy });
        return { kind: 'leave', chatId: parsed.chatId };
      }
      if (parsed.kind === 'refuse-guest') {
        return { kind: 'guest-reply', queryId: parsed.queryId, text: parsed.text };
      }
      if (parsed.kind === 'refuse-business') {
        return { kind: 'text', chatId: parsed.chatId, text: parsed.text };
      }
      const { reason, senderId } = parsed;
      if (reason !== 'not-allowed') log('debug', 'telegram-ignored', { reason });
      else if (!policy.allow.problem && senderId && isFirst(strangers, senderId)) {
        log('warn', 'telegram-sender-not-allowed', { bot: bot.id, sender: senderId });
      }
      return null;
    },
  };
}

/** A message that can never be queued must not hold up all chats behind it: the person is told instead. */
async function acceptTurn(options: InletOptions, request: TurnRequest): Promise<FixedReply | null> {
  try {
    await options.accept(request);
    return null;
  } catch (error) {
    if (error instanceof NotServed) return fixedReply(error.message, replyTargetOf(request));
    if (error instanceof OverLimit) {
      if (error.tell) options.log('warn', 'over-limit', { turn: request.turnId, ...errorFields(error) });
      return error.tell ? fixedReply(error.message, replyTargetOf(request)) : null;
    }
    if (!(error instanceof Invalid && NEVER_ACCEPTED.has(error.code))) throw error;
    options.log('error', 'telegram-message-refused', { turn: request.turnId, ...errorFields(error) });
    return fixedReply(CANNOT_ACCEPT, replyTargetOf(request));
  }
}

function stopped(target: TelegramReplyTarget, turns: number): FixedReply {
  return fixedReply(turns === 0 ? NOTHING_TO_STOP : stoppingText(turns), target);
}

function fixedReply(text: string, target: TelegramReplyTarget): FixedReply {
  return { kind: 'command-reply', text, target, albumId: null, next: null };
}

function isFirst(seen: Set<string>, id: string): boolean {
  if (seen.has(id)) return false;
  seen.add(id);
  const oldest = seen.values().next();
  if (seen.size > MEMORY && !oldest.done) seen.delete(oldest.value);
  return true;
}
