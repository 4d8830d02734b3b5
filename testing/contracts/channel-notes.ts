// The contract of every `ChannelNotes`: of several that change a note at once exactly one does, and what has ended is none.
import { describe, expect } from 'vitest';
import type { ChannelNotes } from '../../src/core/ports/notes.ts';
import type { ManualClock } from '../clock.ts';
import { type Contract, cases, HOSTILE_IDS, withFixture } from './contract.ts';

export interface ChannelNotesFixture {
  readonly notes: ChannelNotes;
  readonly clock: ManualClock;
  /** Others over the same notes, as a second process would open them; absent where there can be none. */
  reopen?(): Promise<ChannelNotes>;
  close(): Promise<void>;
}

export type ChannelNotesContract = Contract<ChannelNotesFixture>;

const NAME = 'pager/station-7/token';
const KEEP = { keepSec: 60 };

export function channelNotesContract({ name, create, skip }: ChannelNotesContract): void {
  describe(`channel notes: ${name}`, () => {
    const { it, finish } = cases(skip);

    it('a note is what was written last, with a version that grows by one', () =>
      withFixture(create, async ({ notes }) => {
        expect(await notes.read(NAME)).toBeNull();
        const value = { token: 'ä', list: [1, null, { deep: true }] };
        expect(await notes.write(NAME, value, { over: 0, ...KEEP })).toBe(true);
        expect(await notes.read(NAME)).toEqual({ value, version: 1 });
        expect(await notes.write(NAME, 'second', { over: 1, ...KEEP })).toBe(true);
        expect(await notes.read(NAME)).toEqual({ value: 'second', version: 2 });
      }));

    it('a note that is not the one that was read stays as it is', () =>
      withFixture(create, async ({ notes }) => {
        expect(await notes.write(NAME, 'a', { over: 1, ...KEEP })).toBe(false);
        expect(await notes.write(NAME, 'a', { over: 0, ...KEEP })).toBe(true);
        for (const over of [0, 2]) expect(await notes.write(NAME, 'b', { over, ...KEEP })).toBe(false);
        expect(await notes.read(NAME)).toEqual({ value: 'a', version: 1 });
      }));

    it('of several that write at once exactly one does', () =>
      withFixture(create, async ({ notes, reopen }) => {
        const all = [notes, (await reopen?.()) ?? notes, (await reopen?.()) ?? notes];
        for (const over of [0, 1, 2]) {
          const won = await Promise.all(all.map((one, at) => one.write(NAME, at, { over, ...KEEP })));
          expect(won.filter(Boolean)).toHaveLength(1);
          expect((await all[0]!.read(NAME))?.value).toBe(won.indexOf(true));
        }
      }));

    it('names are apart, whatever they hold', () =>
      withFixture(create, async ({ notes }) => {
        const names = HOSTILE_IDS.filter((id) => id !== '' && id.isWellFormed());
        for (const one of names) expect(await notes.write(one, one, { over: 0, ...KEEP })).toBe(true);
        for (const one of names) expect((await notes.read(one))?.value).toBe(one);
      }));

    it('what has ended is none, and the next one is the first', () =>
      withFixture(create, async ({ notes, clock }) => {
        await notes.write(NAME, 'a', { over: 0, ...KEEP });
        await notes.write(NAME, 'b', { over: 1, ...KEEP });
        await clock.advance(61_000);
        expect(await notes.read(NAME)).toBeNull();
        expect(await notes.write(NAME, 'c', { over: 2, ...KEEP })).toBe(false);
        expect(await notes.write(NAME, 'c', { over: 0, ...KEEP })).toBe(true);
        expect(await notes.read(NAME)).toEqual({ value: 'c', version: 1 });
      }));

    finish();
  });
}
