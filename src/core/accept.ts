// A message comes in: into the ledger, then into the queue, and only then is it acknowledged (ACKED). Every inlet ends
// here, whatever platform it belongs to.
import type { AdmissionStore, Admit } from './admission.ts';
import { inputsOf } from './command-requests.ts';
import { type SessionKey, tenantOf } from './ids.ts';
import { afterQueued, beforeQueued, linkCodeOf } from './link-orders.ts';
import { type Linking, linkingOf } from './links.ts';
import { inHome, type TurnRequest } from './messages.ts';
import type { Clock, SessionStore, TurnQueue } from './ports.ts';
import { isCommitted, type SessionMapping, type TurnRecord } from './records.ts';
import type { RetentionOf } from './retention.ts';
import { NotServed, type StandingOf } from './standing.ts';
import { stopTurns } from './stop.ts';
import type { WhileRunning } from './while-running.ts';

export interface AcceptDeps {
  /** Without notes on links no chat shares the session of another one. */
  readonly store: Pick<SessionStore, 'accept' | 'listTurns' | 'requestStop' | 'getHead'> &
    Partial<Pick<SessionStore, 'readLinks' | 'writeLinks'>> &
    AdmissionStore;
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
  /** Codes of links run out by it. */
  readonly clock?: Pick<Clock, 'now'>;
}

/**
 * Throws when either step fails: nothing was acknowledged then, and the same message may come again. `NotServed` where
 * nobody answers this tenant's messages, `OverLimit` where there are too many: then nothing of it was kept.
 */
export async function acceptAndQueue(deps: AcceptDeps, request: TurnRequest): Promise<TurnRecord> {
  const shared = await sharedBy(deps, request.sessionKey);
  const { key, mapping } = shared;
  const settings = await whileRunningFor(deps, { ...request, sessionKey: key }, mapping);
  const { requests, interrupts } = inputsOf(request, settings);
  for (const first of requests.slice(0, -1)) await acceptOne(deps, first, shared);
  const accepted = await acceptOne(deps, requests.at(-1) ?? request, shared);
  if (interrupts && !isCommitted(accepted)) {
    // By the ledger's own order: a repeat stops nothing that was written later.
    const { sessionKey, sequence } = accepted;
    await stopTurns(deps.store, sessionKey, (turn) => turn.sequence < sequence);
  }
  return accepted;
}

interface Shared {
  readonly linking: Linking | null;
  /** The conversation whose session the chat shares, or its own. */
  readonly key: SessionKey;
  /** Only a hint: without it the worker looks for itself, one round trip later. */
  readonly mapping: SessionMapping | null;
}

async function sharedBy({ store, clock }: AcceptDeps, own: SessionKey): Promise<Shared> {
  const linking = linkingOf(store, clock);
  const mappingOf = (key: SessionKey) => store.getMapping(key).catch(() => null);
  const [home, mapping] = await Promise.all([linking?.homeOf(own) ?? null, mappingOf(own)]);
  return home === null
    ? { linking, key: own, mapping }
    : { linking, key: home, mapping: await mappingOf(home) };
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
  if (!head?.consent) return whileRunning;
  // Most chats have chosen nothing: whoever only takes messages in need not load it.
  const { chosenIn } = await import('./consent.ts');
  const chosen = chosenIn(head).whileRunning;
  return chosen ? { default: chosen, chats: {} } : whileRunning;
}

async function acceptOne(
  deps: AcceptDeps,
  given: TurnRequest,
  { linking, key, mapping }: Shared,
): Promise<TurnRecord> {
  const standing = (await deps.standing?.(given)) ?? 'active';
  if (standing !== 'active') throw new NotServed(standing);
  // A code is said in a chat's own name.
  const request = linkCodeOf(given) === null ? inHome(given, key) : given;
  await deps.admit?.(deps.store, request);
  const retentionSec = (await deps.retentionOf?.(tenantOf(request.sessionKey))) ?? deps.retentionSec;
  const turn = await deps.store.accept(request, retentionSec);
  // A repeat may stand for a send that failed the first time; the queue drops it if not.
  if (isCommitted(turn)) return turn;
  // One that comes again goes where it went the first time, whatever is linked by now.
  const known = inHome(request, turn.sessionKey);
  const sessionHint = turn.sessionKey === key ? (mapping?.session_id ?? null) : null;
  if (linking) await beforeQueued(linking, known);
  await deps.queue.send({ ...known, sessionHint });
  if (linking) {
    const send = (more: TurnRequest) => deps.queue.send(more);
    await afterQueued({ store: deps.store, send, retentionSec }, linking, known, turn);
  }
  return turn;
}
