// Asks Slack who the app is until it answers: an address that does not answer yet is waited for, a wrong token ends it.
import { backoffMs } from '../../core/backoff.ts';
import { Invalid } from '../../core/errors.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { Clock } from '../../core/ports.ts';
import type { SlackApi } from './api.ts';
import type { SlackIdentity } from './identity.ts';

const REACHING = { firstMs: 1_000, maxMs: 60_000 };

/** null when `signal` aborts first. */
export async function whoAmI(
  api: Pick<SlackApi, 'identify'>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): Promise<SlackIdentity | null> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await api.identify();
    } catch (error) {
      if (error instanceof Invalid) throw error;
      const waitMs = backoffMs(REACHING, failures);
      log('warn', 'slack-unreachable', { waitMs, ...errorFields(error) });
      await clock.sleep(waitMs, signal);
    }
  }
  return null;
}
