// A message comes in: into the ledger, then into the queue, and only then is it acknowledged (ACKED). Every inlet ends
// here, whatever platform it belongs to.
import type { AdmissionStore, Admit } from './admission.ts';
import { inputsOf } from './command-requests.ts';
import { tenantOf } from './ids.ts';
import type { TurnRequest } from './messages.ts';
import type { SessionStore, TurnQueue } from './ports.ts';
import { isCommitted, type TurnRecord } from './records.ts';
import type { RetentionOf } from './retention.ts';
import { NotServed, type StandingOf } from './standing.ts';
import { stopTurns } from './stop.ts';
import type { WhileRunning } from './while-running.ts';

export interface AcceptDeps {
  readonly store: Pick<SessionStore, 'accept' | 'listTurns' | 'requestStop'> & AdmissionStore;
  readonly queue: Pick<TurnQueue, 'send'>;
  readonly retentionSec: number;
  /** For a tenant that says something else. */
  readonly retentionOf?: RetentionOf;
  /** Everybody is served where it is left out. */
  readonly standing?: StandingOf;
  /** Without it any number of messages is taken in. */
  readonly admit?: Admit;
  /** What a message does to a turn that runs; it waits where nothing is said. */
  readonly whileRunning?: WhileRunning;
}

/**
 * Throws when either step fails: nothing was acknowledged then, and the same message may come again. `NotServed` where
 * nobody answers this tenant's messages, `OverLimit` where there are too many: then nothing of it was kept.
 */
export async function acceptAndQueue(deps: AcceptDeps, request: TurnRequest): Promise<TurnRecord> {
  const { requests, interrupts } = inputsOf(request, deps.whileRunning);
  for (const first of requests.slice(0, -1)) await acceptOne(deps, first);
  const accepted = await acceptOne(deps, requests.at(-1) ?? request);
  if (interrupts && !isCommitted(accepted)) {
    // By the ledger's own order: a repeat stops nothing that was written later.
    const { sessionKey, sequence } = accepted;
    await stopTurns(deps.store, sessionKey, (turn) => turn.sequence < sequence);
  }
  return accepted;
}

async function acceptOne(deps: AcceptDeps, request: TurnRequest): Promise<TurnRecord> {
  const standing = (await deps.standing?.(request)) ?? 'active';
  if (standing !== 'active') throw new NotServed(standing);
  await deps.admit?.(deps.store, request);
  const retentionSec = (await deps.retentionOf?.(tenantOf(request.sessionKey))) ?? deps.retentionSec;
  const [turn, mapping] = await Promise.all([
    deps.store.accept(request, retentionSec),
    // Only a hint: without it the worker looks for itself, one round trip later.
    deps.store.getMapping(request.sessionKey).catch(() => null),
  ]);
  // A repeat may stand for a send that failed the first time; the queue drops it if not.
  if (!isCommitted(turn)) await deps.queue.send({ ...request, sessionHint: mapping?.session_id ?? null });
  return turn;
}
