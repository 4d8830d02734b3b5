// Handles messages when a function cannot start, because of a secret that cannot be read or a broken agent folder. The
// messages go back to the queue with growing waits: a short failure costs seconds, and a long one loses no message. The
// person is told if the channel itself can be opened. The error is not thrown on, because Lambda would then leave the
// message invisible.
import { backoffMs } from '../core/backoff.ts';
import { tellWaiting } from '../core/delivery.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { Channel, ReceivedMessage } from '../core/ports.ts';

const STARTING = { firstMs: 2_000, maxMs: 600_000, jitter: 0.1 };
/** The second receive, because a failure that is over within two seconds is not worth a message. */
const TOLD_AT_RECEIVE = 2;

export interface NotReady {
  readonly deliveries: readonly ReceivedMessage[];
  readonly error: unknown;
  readonly log: Log;
  /** The message's channel alone, with none of what could not be had. */
  readonly openChannel: (name: string) => Promise<Channel | undefined>;
}

export async function giveBack({ deliveries, error, log, openChannel }: NotReady): Promise<void> {
  log('error', 'function-not-ready', { alarm: true, ...errorFields(error) });
  for (const delivery of deliveries) {
    const { request, receiveCount } = delivery;
    const turn = request.turnId;
    try {
      await delivery.retry(backoffMs(STARTING, receiveCount));
    } catch (error) {
      // Its visibility was shortened when it came: it is back within a minute by itself.
      log('warn', 'queue-answer-failed', { turn, ...errorFields(error) });
    }
    if (receiveCount !== TOLD_AT_RECEIVE) continue;
    try {
      const channel = await openChannel(request.conversation.channel);
      if (channel) await tellWaiting(channel, request, 'setup');
    } catch (error) {
      log('warn', 'not-told', { turn, ...errorFields(error) });
    }
  }
}
