// The errors of every turn queue, each said once.
import { Conflict, Gone, Invalid, Refused } from '../core/errors.ts';

export function queueClosed(): Refused {
  return new Refused('queue-closed', 'The queue is closed.');
}

/** The message was received again by another worker, or its receipt is used up. */
export function receiptLost(cause?: unknown): Conflict {
  return new Conflict('receipt-lost', 'The message was handed to someone else, or is done.', { cause });
}

export function noDeadLetter(): Gone {
  return new Gone('no-dead-letter', 'There is no such dead letter.');
}

export function unreadableDeadLetter(): Invalid {
  return new Invalid('bad-message', 'This dead letter is no message that can be sent again.', {
    advice: 'Drop it.',
  });
}
