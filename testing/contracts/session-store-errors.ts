// Every error a session store may throw, every way to it: family, code and advice, in one table. An adapter cannot
// leave a code out: the table has an entry for each code of the rule book, or it does not compile.
import { expect } from 'vitest';
import { Conflict, Corrupt, Gone, Invalid, Refused } from '../../src/core/errors.ts';
import { newSessionId, type SessionId, sessionKeyOf, type Tenant, type TurnId } from '../../src/core/ids.ts';
import type { SessionStore } from '../../src/core/ports/store.ts';
import type { Lease } from '../../src/core/records.ts';
import { type SessionStoreErrorCode, sessionStoreErrors } from '../../src/stores/rules/errors.ts';
import {
  conversation,
  type Declare,
  type Family,
  failure,
  message,
  needed,
  withFixture,
} from './contract.ts';
import type { SessionStoreContract, SessionStoreFixture } from './session-store-fixture.ts';
import { begin, commitOf, LEASE_MS, RETENTION_SEC, wholeTurn } from './session-store-steps.ts';

/** What is tried, by name; each has to fail in the same way. */
type Ways = Record<string, () => Promise<unknown>>;

interface ErrorCase {
  readonly family: Family;
  readonly hasAdvice: boolean;
  readonly waysTo: (fixture: SessionStoreFixture) => Promise<Ways>;
}

const NOBODY = 'turn_nobody' as TurnId;
const BAD_IDS = ['', 'a/b', '..', 'x'.repeat(65), 'a b', 'a#b'] as SessionId[];

const CASES: Record<SessionStoreErrorCode, ErrorCase> = {
  'conversation-taken': {
    family: Conflict,
    hasAdvice: false,
    async waysTo({ store }) {
      const there = await wholeTurn(store, message(conversation()));
      const begun = await begin(store, message(conversation()));
      const { sessionKey } = there.lease;
      const fork = { sessionKey, sessionId: newSessionId(), state: {} };
      return {
        move: () => store.commit(commitOf(begun, { moveTo: sessionKey })),
        fork: () => store.commit(commitOf(begun, { fork })),
      };
    },
  },
  'not-queued': {
    family: Conflict,
    hasAdvice: false,
    async waysTo({ store }) {
      const of = conversation();
      const earlier = await wholeTurn(store, message(of));
      const { lease, turn } = await begin(store, message(of));
      const stranger = message(conversation());
      await store.accept(stranger, RETENTION_SEC);
      const gather = (id: TurnId) => () => store.gather({ lease, turnId: turn.turnId, followers: [id] });
      return {
        'gather what is done': gather(earlier.turn.turnId),
        'gather itself': gather(turn.turnId),
        "gather a stranger's": gather(stranger.turnId),
      };
    },
  },
  'lease-lost': { family: Conflict, hasAdvice: false, waysTo: leaseLost },
  'lease-busy': { family: Refused, hasAdvice: false, waysTo: leaseBusy },
  'idempotency-mismatch': {
    family: Invalid,
    hasAdvice: true,
    async waysTo({ store }) {
      const of = conversation();
      const { lease } = await wholeTurn(store, message(of));
      const request = message(of, { text: 'one' });
      await store.accept(request, RETENTION_SEC);
      const other = { ...request, text: 'two' };
      return {
        accept: () => store.accept(other, RETENTION_SEC),
        'accept another kind': () => store.accept({ ...request, kind: 'new' }, RETENTION_SEC),
        begin: () => begin(store, other),
        'begin with a hint': () => begin(store, { ...other, sessionHint: lease.sessionId }),
        'begin with a wrong hint': () => begin(store, { ...other, sessionHint: newSessionId() }),
      };
    },
  },
  'head-missing': {
    family: Corrupt,
    hasAdvice: true,
    async waysTo({ store }) {
      const of = conversation();
      const committed = message(of);
      const { tenant, sessionId } = (await wholeTurn(store, committed)).lease;
      const { lease } = await store.lease({ tenant, sessionId, owner: 'me', leaseMs: LEASE_MS });
      await needed(store.expired).remove(lease);
      return {
        begin: () => begin(store, message(of)),
        'begin with a hint': () => begin(store, message(of, { sessionHint: sessionId })),
        'begin with a wrong hint': () => begin(store, message(of, { sessionHint: newSessionId() })),
        'begin of a turn it committed': () => begin(store, committed),
      };
    },
  },
  'session-exists': {
    family: Conflict,
    hasAdvice: true,
    async waysTo({ store }) {
      const taken = (await wholeTurn(store, message(conversation()))).lease.sessionId;
      const begun = await begin(store, message(conversation()));
      const sessionKey = sessionKeyOf(conversation());
      const { sessionId } = begun.lease;
      return {
        begin: () => begin(store, message(conversation()), { newSessionId: taken }),
        commit: () => store.commit(commitOf(begun, { repointTo: taken })),
        'commit to itself': () => store.commit(commitOf(begun, { repointTo: sessionId })),
        adopt: () => store.adopt({ ...adoption, sessionKey, sessionId: taken }),
      };
    },
  },
  'unknown-turn': {
    family: Gone,
    hasAdvice: false,
    async waysTo({ store, clock }) {
      const of = conversation();
      const { lease } = await begin(store, message(of));
      const { tenant } = lease;
      const stranger = (await wholeTurn(store, message(conversation()))).turn.turnId;
      const expired = (await store.accept(message(of), 5)).turnId;
      await clock.advance(6_000);
      return {
        'anchor of nothing': () => store.setAnchor(lease, NOBODY, 1),
        'anchor of an expired turn': () => store.setAnchor(lease, expired, 1),
        "anchor of another conversation's turn": () => store.setAnchor(lease, stranger, 1),
        'settle nothing': () => store.settle(lease, NOBODY, 'delivered'),
        'settle an expired turn': () => store.settle(lease, expired, 'delivered'),
        "settle another conversation's turn": () => store.settle(lease, stranger, 'undeliverable'),
        'stop nothing': () => store.requestStop(tenant, NOBODY),
        'stop an expired turn': () => store.requestStop(tenant, expired),
        "stop another tenant's turn": () => store.requestStop('other' as Tenant, stranger),
        'reopen nothing': () => store.reopen(tenant, NOBODY),
        'reopen an expired turn': () => store.reopen(tenant, expired),
      };
    },
  },
  'unknown-session': {
    family: Gone,
    hasAdvice: false,
    async waysTo({ store }) {
      const { tenant, sessionId } = (await wholeTurn(store, message(conversation()))).lease;
      const by = { owner: 'me', leaseMs: LEASE_MS };
      return {
        lease: () => store.lease({ ...by, tenant, sessionId: newSessionId() }),
        'return to nothing': async () => {
          const begun = await begin(store, message(conversation()));
          return await store.commit(commitOf(begun, { returnTo: newSessionId() }));
        },
        "lease another tenant's": () => store.lease({ ...by, tenant: 'other' as Tenant, sessionId }),
      };
    },
  },
  'not-committed': {
    family: Invalid,
    hasAdvice: false,
    async waysTo({ store }) {
      const of = conversation();
      const { lease, turn } = await begin(store, message(of));
      const queued = await store.accept(message(of), RETENTION_SEC);
      return {
        'settle a running turn': () => store.settle(lease, turn.turnId, 'delivered'),
        'settle a queued turn': () => store.settle(lease, queued.turnId, 'undeliverable'),
      };
    },
  },
  'bad-generation': {
    family: Invalid,
    hasAdvice: true,
    async waysTo({ store }) {
      const begun = await begin(store, message(conversation()));
      const { lease } = begun;
      const sessionKey = sessionKeyOf(conversation());
      const ways: Ways = {
        'commit on half a generation': () =>
          store.commit(commitOf(begun, { baseGeneration: 0.5, generation: 0.5 })),
        'advance by two': () => store.advance({ lease, baseGeneration: 0, generation: 2, state: {} }),
      };
      for (const generation of [-1, 0.5, Number.NaN, 2 ** 60]) {
        ways[`commit ${generation}`] = () => store.commit(commitOf(begun, { generation }));
        ways[`adopt ${generation}`] = () =>
          store.adopt({ ...adoption, sessionKey, sessionId: newSessionId(), generation });
      }
      return ways;
    },
  },
  'bad-session-id': {
    family: Invalid,
    hasAdvice: true,
    async waysTo({ store }) {
      const begun = await begin(store, message(conversation()));
      const sessionKey = sessionKeyOf(conversation());
      const ways: Ways = {};
      for (const id of BAD_IDS) {
        ways[`begin "${id}"`] = () => begin(store, message(conversation()), { newSessionId: id });
        ways[`commit "${id}"`] = () => store.commit(commitOf(begun, { repointTo: id }));
        ways[`adopt "${id}"`] = () => store.adopt({ ...adoption, sessionKey, sessionId: id });
      }
      return ways;
    },
  },
  'anchor-too-large': {
    family: Invalid,
    hasAdvice: true,
    async waysTo({ store }) {
      const { lease, turn } = await begin(store, message(conversation()));
      await store.setAnchor(lease, turn.turnId, 'x'.repeat(60_000));
      return { setAnchor: () => store.setAnchor(lease, turn.turnId, 'ä'.repeat(32_001)) };
    },
  },
  'bad-cursor': {
    family: Invalid,
    hasAdvice: true,
    async waysTo({ store }) {
      const { lease } = await wholeTurn(store, message(conversation()));
      const ways: Ways = {};
      for (const cursor of [
        'rubbish',
        '',
        'W10',
        base64('[1e400]'),
        base64('[0.5,"a"]'),
        base64('[[],[]]'),
      ]) {
        ways[`mappings ${cursor}`] = () => store.listMappings(lease.tenant, { cursor });
        ways[`heads ${cursor}`] = () => store.listHeads(lease.tenant, { cursor });
        ways[`turns ${cursor}`] = () => store.listTurns(lease.sessionKey, { cursor });
      }
      return ways;
    },
  },
  'record-unreadable': {
    family: Corrupt,
    hasAdvice: true,
    async waysTo({ store, damageState }) {
      const of = conversation();
      const { lease } = await wholeTurn(store, message(of));
      await needed(damageState)(lease);
      return {
        getHead: () => store.getHead(lease.tenant, lease.sessionId),
        listHeads: () => store.listHeads(lease.tenant),
        begin: () => begin(store, message(of)),
      };
    },
  },
  'store-closed': {
    family: Refused,
    hasAdvice: false,
    async waysTo({ store }) {
      const request = message(conversation());
      const { lease } = await begin(store, request);
      await store.close();
      return {
        accept: () => store.accept(request, RETENTION_SEC),
        begin: () => begin(store, request),
        check: () => store.check(lease),
        getMapping: () => store.getMapping(request.sessionKey),
        listHeads: () => store.listHeads(lease.tenant),
      };
    },
  },
  contended: {
    family: Refused,
    hasAdvice: false,
    async waysTo({ store, eraseLineDuringBegin }) {
      const of = conversation();
      await wholeTurn(store, message(of));
      const request = message(of);
      await store.accept(request, RETENTION_SEC);
      needed(eraseLineDuringBegin)(request.turnId);
      return { 'begin of a turn that is erased meanwhile': () => begin(store, request) };
    },
  },
};

const adoption = { generation: 1, state: {}, retentionSec: RETENTION_SEC };

function base64(text: string): string {
  return Buffer.from(text).toString('base64url');
}

async function leaseBusy({ store }: SessionStoreFixture): Promise<Ways> {
  const of = conversation();
  const committed = message(of);
  const begun = await begin(store, committed);
  await store.commit(commitOf(begun));
  const { tenant, sessionId, sessionKey } = begun.lease;
  return {
    begin: () => begin(store, message(of)),
    'begin with a hint': () => begin(store, message(of, { sessionHint: sessionId })),
    'begin of a committed turn': () => begin(store, committed),
    lease: () => store.lease({ tenant, sessionId, owner: 'me', leaseMs: LEASE_MS }),
    erase: () => store.erase(sessionKey),
  };
}

async function leaseLost({ store, clock }: SessionStoreFixture): Promise<Ways> {
  const overtaken = message(conversation());
  const old = await begin(store, overtaken);
  await clock.advance(LEASE_MS + 1);
  await begin(store, overtaken);
  const ways = leasedWrites(store, old.lease, overtaken.turnId);
  ways.commit = () => store.commit(commitOf(old));

  const released = await begin(store, message(conversation()));
  await store.release(released.lease);
  ways['commit after release'] = () => store.commit(commitOf(released));

  const forged = await begin(store, message(conversation()));
  const { lease } = forged;
  ways['check as another owner'] = () => store.check({ ...lease, owner: 'another' });
  ways['check of another session'] = () => store.check({ ...lease, sessionId: newSessionId() });
  ways['commit of an unknown turn'] = () => store.commit(commitOf(forged, { turnId: NOBODY }));
  ways['commit on another base'] = () => store.commit(commitOf(forged, { baseGeneration: 4, generation: 5 }));
  ways['checkpoint of an unknown turn'] = () =>
    store.advance({ lease, baseGeneration: 0, generation: 1, state: {}, turnId: NOBODY });

  const busy = conversation();
  const running = await begin(store, message(busy));
  const queued = await store.accept(message(busy), RETENTION_SEC);
  ways['commit of a queued turn'] = () => store.commit(commitOf(running, { turnId: queued.turnId }));
  ways["commit of another conversation's turn"] = () =>
    store.commit(commitOf(running, { turnId: forged.turn.turnId }));

  // A turn whose conversation expired while it ran is begun again in a new session: the old one may not touch it.
  const kept = message(conversation());
  await store.accept(kept, RETENTION_SEC);
  const before = await begin(store, kept, { retentionSec: 60 });
  await clock.advance(65_000);
  await begin(store, kept);
  const past = { lease: before.lease, baseGeneration: 0, generation: 1, state: {} };
  ways['checkpoint of a turn that runs elsewhere'] = () => store.advance({ ...past, turnId: kept.turnId });
  ways['commit of a turn that runs elsewhere'] = () => store.commit(commitOf(before));
  return ways;
}

/** Everything but the commit that asks for the lease. */
function leasedWrites(store: SessionStore, lease: Lease, turnId: TurnId): Ways {
  const step = { lease, baseGeneration: 0, generation: 1, state: {} };
  return {
    renew: () => store.renew(lease, LEASE_MS, turnId),
    check: () => store.check(lease),
    advance: () => store.advance(step),
    checkpoint: () => store.advance({ ...step, turnId }),
    setAnchor: () => store.setAnchor(lease, turnId, { messageId: 1 }),
    settle: () => store.settle(lease, turnId, 'delivered'),
    ...(store.expired && { 'expired.remove': () => needed(store.expired).remove(lease) }),
  };
}

export function errorCases({ create, platformErrors = [] }: SessionStoreContract, it: Declare): void {
  for (const [code, { family, hasAdvice, waysTo }] of Object.entries(CASES)) {
    it(`error ${code}: family, code and advice, whichever way it comes`, () =>
      withFixture(create, async (fixture) => {
        const entry: { readonly message: string; readonly advice?: string } =
          sessionStoreErrors[code as SessionStoreErrorCode];
        const { advice } = entry;
        expect(advice !== undefined).toBe(hasAdvice);
        for (const [way, attempt] of Object.entries(await waysTo(fixture))) {
          const error = await failure(attempt());
          const expected = { way, code, family: family.name, advice };
          expect({ way, code: error.code, family: error.name, advice: error.advice }).toEqual(expected);
          if (error instanceof Refused) expect(error.retryAfterMs).toBeGreaterThan(0);
          if (code === 'lease-busy') expect((error as Refused).retryAfterMs).toBeLessThanOrEqual(LEASE_MS);
        }
      }));
  }

  for (const { code, family, advice, provoke } of platformErrors) {
    it(`error ${code} of this platform: family, code and advice`, async () => {
      const error = await failure(provoke());
      expect({ code: error.code, family: error.name }).toEqual({ code, family: family.name });
      expect(error.advice ?? '').toMatch(advice ?? /^$/);
    });
  }
}
