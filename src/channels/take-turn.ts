// What an inlet does with a turn: hands it over, and finds out what is to be said at once. It rejects when the message must
// come again, and only then: the platform is to be told so by a status of 500 or more (ACKED).
import { Invalid } from '../core/errors.ts';
import { OverLimit } from '../core/limits.ts';
import { errorFields } from '../core/log.ts';
import type { TurnRequest } from '../core/messages.ts';
import { NotServed } from '../core/standing.ts';
import type { InletContext } from './descriptor.ts';

/** Faults of the message itself; any other fault is ours, and the message waits until it is mended. */
const NEVER_ACCEPTED: ReadonlySet<string> = new Set(['bad-message', 'idempotency-mismatch']);
const CANNOT_ACCEPT = 'I cannot take this message. Please write it differently.';

/** null when it is in the queue; else what a person is to read, where the channel can say something at once. */
export async function takeTurn(
  { accept, log }: Pick<InletContext<unknown>, 'accept' | 'log'>,
  request: TurnRequest,
): Promise<string | null> {
  const fields = (error: unknown) => ({ turn: request.turnId, ...errorFields(error) });
  try {
    await accept(request);
    return null;
  } catch (error) {
    if (error instanceof NotServed) return error.message;
    if (error instanceof OverLimit) {
      if (error.tell) log('warn', 'over-limit', fields(error));
      return error.tell ? error.message : '';
    }
    if (!(error instanceof Invalid && NEVER_ACCEPTED.has(error.code))) throw error;
    log('error', 'message-refused', fields(error));
    return CANNOT_ACCEPT;
  }
}
