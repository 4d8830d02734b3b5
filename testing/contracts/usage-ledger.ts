// The contract of every `UsageLedger`: exact sums, whoever adds at once; accounts that never mix; an end to what is kept.
import { randomUUID } from 'node:crypto';
import { describe, expect } from 'vitest';
import { Refused } from '../../src/core/errors.ts';
import { sessionKeyOf, type Tenant, tenantId, turnIdOf } from '../../src/core/ids.ts';
import type { UsageAccount, UsageCounter, UsageLedger, UsageTotals } from '../../src/core/ports/usage.ts';
import { accountsOf, countersOf, NO_USAGE, type UsageParties } from '../../src/core/usage-counters.ts';
import type { ManualClock } from '../clock.ts';
import { type Contract, cases, conversation, expectFailure, HOSTILE_IDS, withFixture } from './contract.ts';

export interface UsageLedgerFixture {
  readonly ledger: UsageLedger;
  readonly clock: ManualClock;
  /** Another ledger over the same figures, as a second process would open it; absent where there can be none. */
  reopen?(): Promise<UsageLedger>;
  close(): Promise<void>;
}

export type UsageLedgerContract = Contract<UsageLedgerFixture>;

const ONE: UsageTotals = {
  calls: 1,
  inputTokens: 2,
  outputTokens: 30,
  cacheReadTokens: 400,
  cacheWriteTokens: 5_000,
  costNanoUsd: 60_000,
};
const DAY_MS = 86_400_000;

const times = (factor: number): UsageTotals =>
  Object.fromEntries(
    Object.entries(ONE).map(([name, value]) => [name, value * factor]),
  ) as unknown as UsageTotals;

function parties(over: Partial<UsageParties> = {}, tenant = 'acme'): UsageParties {
  const sessionKey = sessionKeyOf(conversation({ tenant }));
  return {
    tenant: tenantId(tenant),
    sessionKey,
    turnId: turnIdOf(sessionKey, randomUUID()),
    speaker: randomUUID(),
    ...over,
  };
}

export function usageLedgerContract({ name, create, skip }: UsageLedgerContract): void {
  describe(`usage ledger: ${name}`, () => {
    const { it, finish } = cases(skip);

    it('what is added comes back as a sum, in the order asked for, and zeros where nothing was', () =>
      withFixture(create, async ({ ledger, clock }) => {
        const counters = countersOf(parties(), clock.now());
        await ledger.add(counters, ONE);
        await ledger.add(counters.slice(1), ONE);
        const unknown = countersOf(parties({}, 'other'), clock.now())[0]!;
        const [first, second, none, again] = await ledger.read([
          counters[0]!,
          counters[1]!,
          unknown,
          counters[0]!,
        ]);
        expect([first, second, none, again]).toEqual([ONE, times(2), NO_USAGE, ONE]);
        expect(await ledger.read([])).toEqual([]);
      }));

    it('adds at once lose nothing', () =>
      withFixture(create, async ({ ledger, clock, reopen }) => {
        const other = (await reopen?.()) ?? ledger;
        const counters = countersOf(parties(), clock.now());
        await Promise.all(
          Array.from({ length: 40 }, (_, index) => (index % 2 ? ledger : other).add(counters, ONE)),
        );
        for (const totals of await other.read(counters)) expect(totals).toEqual(times(40));
      }));

    it('sums stay exact where a float would not', () =>
      withFixture(create, async ({ ledger, clock }) => {
        const [counter] = countersOf(parties(), clock.now());
        const large = { ...NO_USAGE, costNanoUsd: 2 ** 52, inputTokens: 2 ** 52 };
        await ledger.add([counter!], large);
        await ledger.add([counter!], { ...NO_USAGE, costNanoUsd: 1, inputTokens: 1 });
        const [totals] = await ledger.read([counter!]);
        expect(totals).toMatchObject({ costNanoUsd: 2 ** 52 + 1, inputTokens: 2 ** 52 + 1 });
      }));

    it('accounts never mix, whatever their ids hold', () =>
      withFixture(create, async ({ ledger, clock }) => {
        const accounts = (['chat', 'speaker', 'turn', 'tenant'] as const).flatMap((scope) =>
          HOSTILE_IDS.map((id): UsageAccount => ({ tenant: 'acme' as Tenant, scope, id })),
        );
        const counters = accounts.flatMap((account): UsageCounter[] => [
          { ...account, period: 'day', start: '2026-11-22' },
          { ...account, period: 'month', start: '2026-11' },
        ]);
        for (const [index, counter] of counters.entries()) await ledger.add([counter], times(index + 1));
        const read = await ledger.read(counters);
        expect(read.map(({ calls }) => calls)).toEqual(counters.map((_, index) => index + 1));
        await ledger.erase(accounts[0]!);
        const left = await ledger.read(counters);
        expect(left.map(({ calls }) => calls)).toEqual(
          counters.map((_, index) => (index < 2 ? 0 : index + 1)),
        );
        expect(clock.now()).toBeGreaterThan(0);
      }));

    it('history shows months, then days, the newest first, of that account only', () =>
      withFixture(create, async ({ ledger, clock }) => {
        const who = parties();
        for (let day = 0; day < 3; day++) {
          await ledger.add(countersOf(who, clock.now()), ONE);
          await clock.advance(4 * DAY_MS);
        }
        const [, chat] = accountsOf(who);
        const found = await ledger.history(chat!);
        expect(found.map(({ period, start, usage }) => [period, start, usage.calls])).toEqual([
          ['month', '2026-11', 3],
          ['day', '2026-11-30', 1],
          ['day', '2026-11-26', 1],
          ['day', '2026-11-22', 1],
        ]);
        expect(found[0]).toMatchObject({ ...chat, usage: times(3) });
        expect(await ledger.history({ ...chat!, id: 'acme/http/main/nobody/-' })).toEqual([]);
      }));

    it('a day and a month begin at zero, and what is long past is absent', () =>
      withFixture(create, async ({ ledger, clock }) => {
        const who = parties();
        const before = countersOf(who, clock.now());
        await ledger.add(before, ONE);
        const after = countersOf(who, clock.now() + 10 * DAY_MS);
        const calls = (await ledger.read(after)).map((totals) => totals.calls);
        expect(calls).toEqual([0, 0, 0, 0, 0, 0, 1]);
        await clock.advance(41 * DAY_MS);
        const late = (await ledger.read(before)).map((totals) => totals.calls);
        expect(late).toEqual([0, 1, 0, 1, 0, 1, 0]);
        await clock.advance(400 * DAY_MS);
        await ledger.add(countersOf(parties(), clock.now()), ONE);
        for (const totals of await ledger.read(before)) expect(totals).toEqual(NO_USAGE);
        for (const account of accountsOf(who).slice(1)) expect(await ledger.history(account)).toEqual([]);
      }));

    it('what one ledger counted another over the same data reads', () =>
      withFixture(create, async ({ ledger, clock, reopen }) => {
        if (!reopen) throw new Error('The fixture lacks `reopen`: add it, or `skip` the case.');
        const counters = countersOf(parties(), clock.now());
        await ledger.add(counters, ONE);
        const other = await reopen();
        for (const totals of await other.read(counters)) expect(totals).toEqual(ONE);
      }));

    it('once closed it refuses', () =>
      withFixture(create, async ({ ledger, clock }) => {
        const counters = countersOf(parties(), clock.now());
        await ledger.close();
        await expectFailure(ledger.add(counters, ONE), Refused, 'store-closed');
        await expectFailure(ledger.read(counters), Refused, 'store-closed');
      }));

    finish();
  });
}
