// The hosts of a run: none outlives it, nothing that a lying one said was committed, and no object lies where no session is.
import { setTimeout as pause } from 'node:timers/promises';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { packNameOf } from '../../src/state/record.ts';
import type { CheckInput } from './check-input.ts';
import type { Findings } from './findings.ts';
import { markedProcesses } from './host-environment.ts';
import type { ErasedSession } from './replay-chat.ts';
import { keysOf } from './sent.ts';

/** A host whose worker was killed has ended its agent by then; a stopped one was found by the next worker. */
const LEAVE_MS = 15_000;

export async function checkHosts(
  { history, ports, sent, bot, folder }: CheckInput,
  erased: readonly ErasedSession[],
  { expect }: Findings,
): Promise<void> {
  for (const lie of history.filter(({ what, barred }) => what === 'lied' && barred === true)) {
    const committed = history.some(
      ({ what, message, fence }) => what === 'committed' && message === lie.message && fence === lie.fence,
    );
    expect(
      !committed,
      'host-lied',
      lie.message ?? null,
      () => `Committed what a lying host said (${String(lie.step)}: ${String(lie.how)}).`,
    );
  }
  const sessions = new Set<string>();
  const keys = new Set(sent.flatMap((each) => keysOf(each, bot.id)));
  for (const sessionKey of keys) {
    const heads = await ports.store.listHeads(DEFAULT_TENANT, { sessionKey, limit: 200 });
    for (const { sessionId } of heads.items) sessions.add(sessionId);
  }
  for await (const { key } of ports.objects.list('')) {
    const [, session, pack, ...more] = key.split('/');
    const name = pack?.endsWith('.pack') ? packNameOf(pack.slice(0, -'.pack'.length)) : null;
    const gone = erased.find(({ id }) => id === session);
    if (gone) {
      // What an interrupted erase leaves falls to the sweep.
      expect(gone.wasCutOff, 'erased', null, () => `An object of a chat that was forgotten: ${key}`);
      continue;
    }
    const isOurs = sessions.has(session ?? '') && name !== null && more.length === 0;
    expect(isOurs, 'host-key', null, () => `An object that is no session's pack: ${key}`);
  }
  const left = await outlasting(folder);
  expect(left.length === 0, 'host-left', null, () => `${left.length} host processes outlive their worker.`);
}

/** Ends them, so that the next run finds none. */
async function outlasting(folder: string): Promise<number[]> {
  const untilMs = Date.now() + LEAVE_MS;
  let left = markedProcesses(folder);
  while (left.length > 0 && Date.now() < untilMs) {
    await pause(100);
    left = markedProcesses(folder);
  }
  endMarked(folder);
  return left;
}

/** Of this run only: each is known by the run's own folder. */
export function endMarked(folder: string): void {
  for (const pid of markedProcesses(folder)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended.
    }
  }
}
