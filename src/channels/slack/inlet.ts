// What is done with one event or press, whichever way it came: hand the turn on, and tell the operator once about each stranger.
// `accept` resolves when the turn is in the durable queue; only then may the event be acknowledged (ACKED).
import { Invalid } from '../../core/errors.ts';
import { OverLimit } from '../../core/limits.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import { NotServed } from '../../core/standing.ts';
import { botIdOf, type SlackIdentity } from './identity.ts';
import { type EventPolicy, parseEvent } from './parse-event.ts';
import { parsePress } from './parse-press.ts';

export interface InletOptions {
  readonly app: SlackIdentity;
  readonly policy: EventPolicy;
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly log: Log;
}

export interface Inlet {
  /** Rejects when the event must come again. */
  take(event: unknown, receivedAtMs: number): Promise<void>;
}

/** Faults of the message itself; any other fault is ours, and the message waits until it is mended. */
const NEVER_ACCEPTED = new Set(['bad-message', 'idempotency-mismatch']);
/** Strangers remembered at most. */
const MEMORY = 500;

export function createInlet({ app, policy, accept, log }: InletOptions): Inlet {
  const bot = botIdOf(app);
  const strangers = new Set<string>();
  if (policy.allow.problem) log('warn', 'slack-nobody-allowed', { bot, problem: policy.allow.problem });
  return {
    async take(event, receivedAtMs) {
      const isPress = typeof event === 'object' && event !== null && 'actions' in event;
      const parsed = (isPress ? parsePress : parseEvent)(event, app, policy, receivedAtMs);
      if (parsed.kind === 'turn') return await acceptTurn(parsed.request);
      const { reason, sender } = parsed;
      if (reason !== 'not-allowed') log('debug', 'slack-ignored', { reason });
      else if (!policy.allow.problem && sender && isFirst(strangers, sender)) {
        log('warn', 'slack-sender-not-allowed', { bot, sender });
      }
    },
  };

  /** An event carries no way to answer without a token, so what was not taken is told to the operator only. */
  async function acceptTurn(request: TurnRequest): Promise<void> {
    try {
      await accept(request);
    } catch (error) {
      const fields = { turn: request.turnId, ...errorFields(error) };
      if (error instanceof NotServed) return log('warn', 'slack-not-served', fields);
      if (error instanceof OverLimit) {
        if (error.tell) log('warn', 'over-limit', fields);
        return;
      }
      if (!(error instanceof Invalid && NEVER_ACCEPTED.has(error.code))) throw error;
      log('error', 'slack-message-refused', fields);
    }
  }
}

function isFirst(seen: Set<string>, id: string): boolean {
  if (seen.has(id)) return false;
  seen.add(id);
  const oldest = seen.values().next();
  if (seen.size > MEMORY && !oldest.done) seen.delete(oldest.value);
  return true;
}
