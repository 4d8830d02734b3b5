// What polling and webhook do alike with one update: hand turns on, answer fixed questions once per album, and tell
// the operator once about each stranger. `accept` resolves when the turn is in the durable queue; only then may
// the update be acknowledged (ACKED).
import type { Log } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { BotIdentity } from './api.ts';
import { type ParsedUpdate, parseUpdate, type UpdatePolicy } from './parse-update.ts';

export interface InletOptions {
  readonly bot: BotIdentity;
  readonly policy: UpdatePolicy;
  /** Resolves once the turn is durable in the queue. */
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly log: Log;
}

export type FixedReply = Extract<ParsedUpdate, { kind: 'command-reply' }>;

export interface Inlet {
  /** Rejects as `accept` does. Returns the fixed reply that is due, if any. */
  take(update: unknown, receivedAtMs: number): Promise<FixedReply | null>;
}

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
      if (parsed.kind === 'turn') {
        await options.accept(parsed.request);
        return null;
      }
      if (parsed.kind === 'command-reply') {
        return parsed.albumId === null || isFirst(albums, parsed.albumId) ? parsed : null;
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

function isFirst(seen: Set<string>, id: string): boolean {
  if (seen.has(id)) return false;
  seen.add(id);
  const oldest = seen.values().next();
  if (seen.size > MEMORY && !oldest.done) seen.delete(oldest.value);
  return true;
}
