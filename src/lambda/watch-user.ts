// Ending what an agent leaves, in a function whose user it shares, and saying at the start when that cannot be done.
import { errorFields, type Log } from '../core/log.ts';
import { isOpenToOthers, takeOtherProcesses } from './other-processes.ts';

/**
 * null where other processes of this user are not ours to end. A process that survives ends this one: Lambda then begins
 * with a new environment, and the messages come again, which the ledger knows.
 */
export function watchUser(log: Log, flush: () => void): (() => Promise<void>) | null {
  const others = takeOtherProcesses(process.env);
  if (others.kind === 'not-ours') {
    if (others.fault) log('error', 'worker-exposed', { alarm: true, reason: others.fault });
    return null;
  }
  if (isOpenToOthers()) log('error', 'worker-exposed', { alarm: true, reason: 'others can read it' });
  return async () => {
    try {
      await others.end();
    } catch (error) {
      log('error', 'process-survived', { alarm: true, ...errorFields(error) });
      flush();
      process.exit(1);
    }
  };
}
