// Keys: order, prefixes, odd names kept apart, names that could do harm refused.
import { expect } from 'vitest';
import { Invalid } from '../../src/core/errors.ts';
import { type Declare, expectFailure, withFixture } from './contract.ts';
import type { ObjectStoreContract } from './object-store-fixture.ts';
import { collect, keysOf, text } from './object-store-steps.ts';

const MANY = 1_050;

const ODD_KEYS: readonly string[] = [
  'a',
  'a/b',
  'a/b/c',
  'a-b',
  'a.b',
  'a.obj',
  'a.obj/b',
  'A',
  'A/b',
  'tenant=2E/session',
  'con',
  '.hidden/.tmp',
  '...',
  'a%2Fb',
  'a%',
  '%',
  "it's & <odd>",
  ' space ',
  'tab\tnew\nline',
  'back\\slash',
  '日本語/キー',
  'é',
  'e\u0301',
  '👋/🎉',
  '\u{10FFFF}',
  '\uFFFD',
  '__proto__',
  `${'long'.repeat(150)}`,
  `deep/${'d/'.repeat(60)}end`,
];

const BAD_KEYS: readonly string[] = [
  '',
  '/',
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  'a/..',
  'a/../b',
  './a',
  'a/./b',
  'nul\u0000',
  'broken\uD800',
  'x'.repeat(1_025),
];

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export function keyCases({ create }: ObjectStoreContract, it: Declare): void {
  it(
    'more than a thousand keys are listed in order, and deleted at once',
    () =>
      withFixture(create, async ({ store }) => {
        const keys = Array.from({ length: MANY }, (_, i) => `many/${(i * 7919) % MANY}/pack`);
        const waiting = [...keys];
        const writer = async () => {
          for (let key = waiting.pop(); key !== undefined; key = waiting.pop())
            await store.put(key, text(key));
        };
        await Promise.all(Array.from({ length: 16 }, writer));
        expect(await keysOf(store, 'many/')).toEqual([...keys].sort(byBytes));
        await store.delete(keys.slice(1));
        expect(await keysOf(store, 'many/')).toEqual([keys[0]]);
      }),
    120_000,
  );

  it('list tells size and time of each object under a prefix, and nothing else', () =>
    withFixture(create, async ({ store }) => {
      for (const key of ['p/a', 'p/a/b', 'p/ab', 'p.a', 'p', 'p2/a', 'q'])
        await store.put(key, text(`${key}!`));
      expect(await keysOf(store, 'p')).toEqual(['p', 'p.a', 'p/a', 'p/a/b', 'p/ab', 'p2/a']);
      expect(await keysOf(store, 'p/')).toEqual(['p/a', 'p/a/b', 'p/ab']);
      expect(await keysOf(store, 'p/a')).toEqual(['p/a', 'p/a/b', 'p/ab']);
      expect(await keysOf(store, 'p/a/')).toEqual(['p/a/b']);
      expect(await keysOf(store, 'x')).toEqual([]);
      expect(await keysOf(store, 'q/none/')).toEqual([]);
      for await (const info of store.list('')) {
        expect(info.bytes).toBe(info.key.length + 1);
        expect(info.modifiedAtMs).toBeGreaterThan(0);
      }
    }));

  it('odd keys are kept apart and come back as they were', () =>
    withFixture(create, async ({ store }) => {
      for (const key of ODD_KEYS) expect([key, await store.put(key, text(key))]).toEqual([key, 'created']);
      for (const key of ODD_KEYS) expect(new TextDecoder().decode(await store.get(key))).toBe(key);
      const sorted = [...ODD_KEYS].sort(byBytes);
      expect(await keysOf(store, '')).toEqual(sorted);
      for (const prefix of ['a', 'A', 'a.', '日', 'é', 'long', 'deep/d/', '%']) {
        expect(await keysOf(store, prefix)).toEqual(sorted.filter((key) => key.startsWith(prefix)));
      }
      await store.delete(ODD_KEYS);
      expect(await keysOf(store, '')).toEqual([]);
    }));

  it('keys that could leave the store or be read two ways are Invalid', () =>
    withFixture(create, async ({ store }) => {
      for (const key of BAD_KEYS) {
        await expectFailure(store.put(key, text('x')), Invalid, 'bad-key');
        await expectFailure(store.get(key), Invalid, 'bad-key');
        await expectFailure(collect(store.stream(key)), Invalid, 'bad-key');
        await expectFailure(store.delete([key]), Invalid, 'bad-key');
      }
      expect(await keysOf(store, '')).toEqual([]);
    }));
}
