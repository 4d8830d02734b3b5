// A message comes in: into the ledger, then into the queue, and only then is it acknowledged (ACKED). Every inlet ends
// here, whatever platform it belongs to.
import type { AdmissionStore, Admit } from './admission.ts';
import { inputsOf } from './command-requests.ts';
import { chosenIn } from './consent.ts';
import { tenantOf } from './ids.ts';
import type { TurnRequest } from './messages.ts';
import type { SessionStore, TurnQueue } from './ports.ts';
import { isCommitted, type SessionMapping, type TurnRecord } from './records.ts';
import type { RetentionOf } from './retention.ts';
import { NotServed, type StandingOf } from './standing.ts';
import { stopTurns } from './stop.ts';
import type { WhileRunning } from './while-running.ts';

export interface AcceptDeps {
  readonly store: Pick<SessionStore, 'accept' | 'listTurns' | 'requestStop' | 'getHead'> & AdmissionStore;
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
  // Only a hint: without it the worker looks for itself, one round trip later.
  const mapping = await deps.store.getMapping(request.sessionKey).catch(() => null);
  const { requests, interrupts } = inputsOf(request, await whileRunningFor(deps, request, mapping));
  for (const first of requests.slice(0, -1)) await acceptOne(deps, first, mapping);
  const accepted = await acceptOne(deps, requests.at(-1) ?? request, mapping);
  if (interrupts && !isCommitted(accepted)) {
    // By the ledger's own order: a repeat stops nothing that was written later.
    const { sessionKey, sequence } = accepted;
    await stopTurns(deps.store, sessionKey, (turn) => turn.sequence < sequence);
  }
  return accepted;
}

/** As the chat has chosen (`/mode`), else as the installation is set. */
async function whileRunningFor(
  { store, whileRunning }: AcceptDeps,
  { kind, sessionKey }: TurnRequest,
  mapping: SessionMapping | null,
): Promise<WhileRunning | undefined> {
  if (kind !== 'message' || !mapping) return whileRunning;
  // A message is taken in all the same where the choice cannot be read.
  const head = await store.getHead(tenantOf(sessionKey), mapping.session_id).catch(() => null);
  const chosen = head && chosenIn(head).whileRunning;
  return chosen ? { default: chosen, chats: {} } : whileRunning;
}

async function acceptOne(
  deps: AcceptDeps,
  request: TurnRequest,
  mapping: SessionMapping | null,
): Promise<TurnRecord> {
  const standing = (await deps.standing?.(request)) ?? 'active';
  if (standing !== 'active') throw new NotServed(standing);
  await deps.admit?.(deps.store, request);
  const retentionSec = (await deps.retentionOf?.(tenantOf(request.sessionKey))) ?? deps.retentionSec;
  const turn = await deps.store.accept(request, retentionSec);
  // A repeat may stand for a send that failed the first time; the queue drops it if not.
  if (!isCommitted(turn)) await deps.queue.send({ ...request, sessionHint: mapping?.session_id ?? null });
  return turn;
}
