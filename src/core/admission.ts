// Whether a message may come in, asked before anything of it is kept. Whatever was taken in before stays: a message that
// comes again is known and takes no second place (ONCE-IN), and none that was acknowledged is ever turned away (ACKED).
//
//   known already? -> sessions, bytes -> waiting: chat, speaker, tenant -> this minute: chat, speaker, tenant
//
// A place among those that wait is given back by whoever next finds the list full and sees in the ledger that its turn
// has ended. So nothing has to be counted down when a turn ends, and a crash leaves no place taken for good.
import { type Tenant, type TurnId, tenantOf } from './ids.ts';
import { type LimitReached, type MessageLimits, OverLimit } from './limits.ts';
import type { TurnRequest } from './messages.ts';
import type { Clock, PlaceHolder, PlaceList, Places, SessionStore } from './ports.ts';
import { isCommitted, type SessionHead } from './records.ts';
import type { StoredAmounts } from './stored-amounts.ts';
import { createStoredAmounts } from './stored-amounts.ts';
import { accountsOf } from './usage-counters.ts';

export interface AdmissionOptions {
  readonly places: Places;
  readonly limitsOf: (tenant: Tenant) => Promise<MessageLimits>;
  /** Bytes of objects that a session has, by its head. */
  readonly bytesOf: (head: SessionHead) => number;
  readonly clock: Pick<Clock, 'now'>;
}

export type AdmissionStore = Pick<SessionStore, 'getTurn' | 'getMapping' | 'listHeads'>;

/** Throws `OverLimit`. `store` is the tenant's own handle. */
export type Admit = (store: AdmissionStore, request: TurnRequest) => Promise<void>;

const MINUTE_MS = 60_000;
/** Longer than any queue keeps a message. */
const WAITING_KEEP_SEC = 15 * 86_400;
const WAIT_AGAIN_MS = 10_000;
/** Room in an installation is made by people. */
const NO_ROOM_AGAIN_MS = 60_000;
/** So many of those that wait are looked up at once; at random, so that no part of a long list is never looked at. */
const LOOKED_UP = 50;
/** A message has its place before it is in the ledger. */
const NOT_YET_MS = 60_000;

interface Wanted {
  readonly list: PlaceList;
  readonly keepSec: number;
  readonly reached: LimitReached;
}

export function createAdmission({ places, limitsOf, bytesOf, clock }: AdmissionOptions): Admit {
  const amounts = createStoredAmounts(bytesOf, clock);

  /** Takes one, or tells that there is none. */
  async function take(store: AdmissionStore, request: TurnRequest, wanted: Wanted) {
    const { list, keepSec, reached } = wanted;
    const room = { limit: reached.limit, keepSec };
    const first = await places.take(list, request.turnId, room);
    if (first !== 'full' || reached.of !== 'waiting') return first;
    const ended = await endedTurns(store, list, await places.holders(list), clock.now());
    if (ended.length === 0) return first;
    await places.leave(list, ended);
    return await places.take(list, request.turnId, room);
  }

  async function refuse(request: TurnRequest, reached: LimitReached): Promise<never> {
    const leftMs = MINUTE_MS - (clock.now() % MINUTE_MS);
    const afterMs =
      reached.of === 'turnsPerMinute' ? leftMs : reached.of === 'waiting' ? WAIT_AGAIN_MS : NO_ROOM_AGAIN_MS;
    const tell = await isFirstToBeTold(request);
    throw new OverLimit(reached, afterMs, tell);
  }

  /** Each person in a chat once a minute. */
  async function isFirstToBeTold({ sessionKey, sender }: TurnRequest): Promise<boolean> {
    const list: PlaceList = {
      ...{ tenant: tenantOf(sessionKey), scope: 'chat', id: sessionKey },
      list: `told/${minuteOf(clock.now())}`,
    };
    const room = { limit: Number.MAX_SAFE_INTEGER, keepSec: 2 * 60 };
    return (await places.take(list, sender?.id ?? 'anyone', room)) === 'taken';
  }

  return async (store, request) => {
    const tenant = tenantOf(request.sessionKey);
    const limits = await limitsOf(tenant);
    const wanted = placesFor(request, limits, clock.now());
    const { sessions, bytes } = limits;
    if (wanted.length === 0 && sessions === null && bytes === null) return;
    if (await store.getTurn(tenant, request.turnId)) return;
    const noRoom = await roomIn(amounts, store, request, { sessions, bytes });
    if (noRoom) return refuse(request, noRoom);
    const taken: Wanted[] = [];
    for (const one of wanted) {
      const outcome = await take(store, request, one);
      if (outcome === 'taken') taken.push(one);
      if (outcome !== 'full') continue;
      // What was not let in must not keep others out.
      for (const { list } of taken) await places.leave(list, [request.turnId]);
      return refuse(request, one.reached);
    }
  };
}

function placesFor(request: TurnRequest, limits: MessageLimits, nowMs: number): readonly Wanted[] {
  const { sessionKey, turnId, sender } = request;
  const parties = { tenant: tenantOf(sessionKey), sessionKey, turnId, ...(sender && { speaker: sender.id }) };
  // The narrowest first: one who writes too much is found before others feel it.
  const order = ['chat', 'speaker', 'tenant'] as const;
  const accounts = order.flatMap((party) =>
    accountsOf(parties).flatMap((account) => (account.scope === party ? [{ account, party }] : [])),
  );
  return (['waiting', 'turnsPerMinute'] as const).flatMap((of) =>
    accounts.flatMap(({ account, party }): Wanted[] => {
      const limit = limits[of][party];
      if (limit === null) return [];
      const list = of === 'waiting' ? 'waiting' : `minute/${minuteOf(nowMs)}`;
      const keepSec = of === 'waiting' ? WAITING_KEEP_SEC : 2 * 60;
      return [{ list: { ...account, list }, keepSec, reached: { of, party, limit } }];
    }),
  );
}

async function roomIn(
  amounts: StoredAmounts,
  store: AdmissionStore,
  request: TurnRequest,
  { sessions, bytes }: Pick<MessageLimits, 'sessions' | 'bytes'>,
): Promise<LimitReached | null> {
  const { sessionKey, kind } = request;
  const begins = sessions !== null && (kind === 'new' || (await store.getMapping(sessionKey)) === null);
  if (bytes === null && !begins) return null;
  const kept = await amounts.of(store, tenantOf(sessionKey));
  if (bytes !== null && kept.bytes >= bytes) return { of: 'bytes', party: 'tenant', limit: bytes };
  if (!begins || kept.reserve(kind === 'new' ? request.turnId : sessionKey, sessions)) return null;
  return { of: 'sessions', party: 'tenant', limit: sessions };
}

async function endedTurns(
  store: AdmissionStore,
  { tenant }: PlaceList,
  all: readonly PlaceHolder[],
  nowMs: number,
): Promise<readonly string[]> {
  const some = [...all].sort(() => Math.random() - 0.5).filter((_, at) => at < LOOKED_UP);
  const ended = await Promise.all(
    some.map(async ({ holder, takenAtMs }) => {
      const turn = await store.getTurn(tenant, holder as TurnId);
      return turn ? isCommitted(turn) : nowMs - takenAtMs > NOT_YET_MS;
    }),
  );
  return some.filter((_, at) => ended[at]).map(({ holder }) => holder);
}

function minuteOf(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/:[\d.]+Z$/, '');
}
