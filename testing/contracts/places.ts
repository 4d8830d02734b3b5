// The contract of every `Places`: never more than there is room for, whoever takes at once; no place twice; an end to each.
import { describe, expect } from 'vitest';
import { Refused } from '../../src/core/errors.ts';
import { type Tenant, tenantId } from '../../src/core/ids.ts';
import type { PlaceList, Places } from '../../src/core/ports/places.ts';
import type { ManualClock } from '../clock.ts';
import { type Contract, cases, expectFailure, HOSTILE_IDS, withFixture } from './contract.ts';

export interface PlacesFixture {
  readonly places: Places;
  readonly clock: ManualClock;
  /** Others over the same lists, as a second process would open them; absent where there can be none. */
  reopen?(): Promise<Places>;
  close(): Promise<void>;
}

export type PlacesContract = Contract<PlacesFixture>;

const LIST: PlaceList = {
  tenant: tenantId('acme'),
  scope: 'chat',
  id: 'acme/http/main/one/-',
  list: 'waiting',
};
const ROOM = { limit: 2, keepSec: 60 };

export function placesContract({ name, create, skip }: PlacesContract): void {
  describe(`places: ${name}`, () => {
    const { it, finish } = cases(skip);
    const named = async (places: Places, list = LIST) =>
      (await places.holders(list)).map(({ holder }) => holder).sort();

    it('a list takes so many and no more, and whoever has a place keeps it', () =>
      withFixture(create, async ({ places, clock }) => {
        expect(await places.take(LIST, 'a', ROOM)).toBe('taken');
        expect(await places.take(LIST, 'a', ROOM)).toBe('held');
        expect(await places.take(LIST, 'b', ROOM)).toBe('taken');
        expect(await places.take(LIST, 'c', ROOM)).toBe('full');
        expect(await places.take(LIST, 'a', ROOM)).toBe('held');
        expect(await places.take({ ...LIST, list: 'minute/2026-11-26T16:13' }, 'c', ROOM)).toBe('taken');
        expect(await places.holders(LIST)).toContainEqual({ holder: 'a', takenAtMs: clock.now() });
        expect(await named(places)).toEqual(['a', 'b']);
        expect(await places.take(LIST, 'd', { ...ROOM, limit: 0 })).toBe('full');
        expect(await places.take(LIST, 'd', { ...ROOM, limit: 3 })).toBe('taken');
      }));

    it('a place that was left is free, once', () =>
      withFixture(create, async ({ places }) => {
        await places.take(LIST, 'a', ROOM);
        await places.take(LIST, 'b', ROOM);
        await places.leave(LIST, ['a', 'never-there']);
        await places.leave(LIST, ['a']);
        expect(await places.take(LIST, 'c', ROOM)).toBe('taken');
        expect(await places.take(LIST, 'd', ROOM)).toBe('full');
        expect(await named(places)).toEqual(['b', 'c']);
        await places.leave({ ...LIST, id: 'nobody' }, ['a']);
      }));

    it('whoever takes at once, no list gets fuller than it may, and none is left emptier', () =>
      withFixture(create, async ({ places, reopen }) => {
        const other = (await reopen?.()) ?? places;
        const room = { limit: 7, keepSec: 60 };
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, at) => (at % 2 ? places : other).take(LIST, `turn-${at}`, room)),
        );
        expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(7);
        expect(outcomes.filter((outcome) => outcome === 'full')).toHaveLength(13);
        expect(await places.holders(LIST)).toHaveLength(7);
      }));

    it('the same holder at once from everywhere takes one place', () =>
      withFixture(create, async ({ places, reopen }) => {
        const other = (await reopen?.()) ?? places;
        const outcomes = await Promise.all(
          Array.from({ length: 10 }, (_, at) => (at % 2 ? places : other).take(LIST, 'turn', ROOM)),
        );
        expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(1);
        expect(await places.take(LIST, 'next', ROOM)).toBe('taken');
        expect(await places.take(LIST, 'third', ROOM)).toBe('full');
      }));

    it('a place ends by itself, and is free then', () =>
      withFixture(create, async ({ places, clock }) => {
        await places.take(LIST, 'a', ROOM);
        await clock.advance(30_000);
        await places.take(LIST, 'b', ROOM);
        await clock.advance(31_000);
        expect(await named(places)).toEqual(['b']);
        expect(await places.take(LIST, 'c', ROOM)).toBe('taken');
        expect(await places.take(LIST, 'd', ROOM)).toBe('full');
        await clock.advance(61_000);
        expect(await places.holders(LIST)).toEqual([]);
        expect(await places.take(LIST, 'a', ROOM)).toBe('taken');
        await places.leave(LIST, ['b', 'c']);
        expect(await places.take(LIST, 'e', ROOM)).toBe('taken');
        expect(await places.take(LIST, 'f', ROOM)).toBe('full');
      }));

    it('accounts and holders never mix, whatever their ids hold; an account is erased alone', () =>
      withFixture(create, async ({ places }) => {
        const one = { limit: 1, keepSec: 60 };
        const lists = (['chat', 'speaker', 'tenant'] as const).flatMap((scope) =>
          HOSTILE_IDS.map((id): PlaceList => ({ tenant: 'acme' as Tenant, scope, id, list: 'waiting' })),
        );
        for (const [at, list] of lists.entries())
          expect(await places.take(list, `h${at}`, one)).toBe('taken');
        for (const [at, list] of lists.entries()) expect(await named(places, list)).toEqual([`h${at}`]);
        await places.erase(lists[1]!);
        for (const [at, list] of lists.entries()) {
          expect(await named(places, list)).toEqual(at === 1 ? [] : [`h${at}`]);
        }
        expect(await places.take(lists[1]!, 'again', one)).toBe('taken');
        const holders = HOSTILE_IDS.filter((holder) => holder !== '');
        const wide = { limit: holders.length, keepSec: 60 };
        for (const holder of holders) expect(await places.take(LIST, holder, wide)).toBe('taken');
        for (const holder of holders) expect(await places.take(LIST, holder, wide)).toBe('held');
        expect(await named(places)).toEqual([...holders].sort());
      }));

    it('once closed it refuses', () =>
      withFixture(create, async ({ places }) => {
        await places.take(LIST, 'a', ROOM);
        await places.close();
        await expectFailure(places.take(LIST, 'a', ROOM), Refused, 'store-closed');
        await expectFailure(places.holders(LIST), Refused, 'store-closed');
      }));

    finish();
  });
}
