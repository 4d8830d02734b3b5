// What is done with one event, press or slash command, whichever way it came: hand the turn on, and tell the operator once about each stranger.
// `accept` resolves when the turn is in the durable queue; only then may the event be acknowledged (ACKED).
import { Invalid } from '../../core/errors.ts';
import { OverLimit } from '../../core/limits.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import { NotServed } from '../../core/standing.ts';
import { botIdOf, type SlackIdentity } from './identity.ts';
import { type EventPolicy, parseEvent } from './parse-event.ts';
import { parsePress } from './parse-press.ts';
import { isSlash, parseSlash } from './parse-slash.ts';

export interface InletOptions {
  readonly app: SlackIdentity;
  readonly policy: EventPolicy;
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly log: Log;
}

export interface Inlet {
  /** Rejects when the event must come again. What it resolves to, only the person who wrote sees; null: nothing. */
  take(event: unknown, receivedAtMs: number): Promise<string | null>;
}

/** Faults of the message itself; any other fault is ours, and the message waits until it is mended. */
const NEVER_ACCEPTED = new Set(['bad-message', 'idempotency-mismatch']);
/** Strangers remembered at most. */
const MEMORY = 500;

/** An answer that only the person sees who wrote. */
export function ephemeral(text: string): object {
  return { response_type: 'ephemeral', text };
}

export function createInlet({ app, policy, accept, log }: InletOptions): Inlet {
  const bot = botIdOf(app);
  const strangers = new Set<string>();
  if (policy.allow.problem) log('warn', 'slack-nobody-allowed', { bot, problem: policy.allow.problem });
  return {
    async take(event, receivedAtMs) {
      const isCommand = isSlash(event);
      const parsed = parserOf(event, isCommand)(event, app, policy, receivedAtMs);
      if (parsed.kind === 'say') return parsed.text;
      if (parsed.kind === 'turn') {
        const refusal = await acceptTurn(parsed.request);
        return isCommand ? refusal : null;
      }
      const { reason, sender } = parsed;
      if (reason !== 'not-allowed') log('debug', 'slack-ignored', { reason });
      else if (!policy.allow.problem && sender && isFirst(strangers, sender)) {
        log('warn', 'slack-sender-not-allowed', { bot, sender });
      }
      return null;
    },
  };

  /**
   * Resolves to why it was not taken, for the person. Only a slash command can be answered without a token, so for the rest the
   * operator is told.
   */
  async function acceptTurn(request: TurnRequest): Promise<string | null> {
    try {
      await accept(request);
      return null;
    } catch (error) {
      const fields = { turn: request.turnId, ...errorFields(error) };
      if (error instanceof NotServed) {
        log('warn', 'slack-not-served', fields);
        return error.message;
      }
      if (error instanceof OverLimit) {
        if (error.tell) log('warn', 'over-limit', fields);
        return error.message;
      }
      if (!(error instanceof Invalid && NEVER_ACCEPTED.has(error.code))) throw error;
      log('error', 'slack-message-refused', fields);
      return 'I cannot take this message.';
    }
  }
}

function parserOf(event: unknown, isCommand: boolean) {
  if (isCommand) return parseSlash;
  const isPress = typeof event === 'object' && event !== null && 'actions' in event;
  return isPress ? parsePress : parseEvent;
}

function isFirst(seen: Set<string>, id: string): boolean {
  if (seen.has(id)) return false;
  seen.add(id);
  const oldest = seen.values().next();
  if (seen.size > MEMORY && !oldest.done) seen.delete(oldest.value);
  return true;
}
