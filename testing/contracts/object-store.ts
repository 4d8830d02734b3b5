// The contract of every `ObjectStore`: put if absent, all or nothing; read whole, in part, in pieces; list in key
// order (by UTF-8 bytes); delete. A range is cut to the object, as `subarray` would.
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { Gone, Invalid } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { cases, type Declare, expectFailure, failure, withFixture } from './contract.ts';
import type { ObjectStoreContract } from './object-store-fixture.ts';
import { keyCases } from './object-store-keys.ts';
import { collect, keysOf, text } from './object-store-steps.ts';

export type { ObjectStoreContract, ObjectStoreFixture } from './object-store-fixture.ts';

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const BIG_BYTES = 20 * 1024 * 1024;

export function objectStoreContract(contract: ObjectStoreContract): void {
  describe(`object store: ${contract.name}`, () => {
    const { it, finish } = cases(contract.skip);
    putCases(contract, it);
    readCases(contract, it);
    keyCases(contract, it);
    finish();
  });
}

function putCases({ create }: ObjectStoreContract, it: Declare): void {
  it('put keeps the bytes, and never overwrites', () =>
    withFixture(create, async ({ store, reopen }) => {
      const body = randomBytes(1_000);
      const copy = Uint8Array.from(body);
      expect(await store.put('k/one', body)).toBe('created');
      body.fill(0);
      expect(await store.put('k/one', text('other'))).toBe('exists');
      expect(hash(await store.get('k/one'))).toBe(hash(copy));
      const got = await store.get('k/one');
      got.fill(0);
      expect(hash(await store.get('k/one'))).toBe(hash(copy));
      if (reopen) expect(hash(await (await reopen()).get('k/one'))).toBe(hash(copy));
    }));

  it(`${promise('ATOMIC')} of twenty puts of one key at once one creates it, and its bytes stay`, () =>
    withFixture(create, async ({ store }) => {
      const bodies = Array.from({ length: 20 }, (_, i) => text(`${i}-`.repeat(2_000 + i)));
      const results = await Promise.all(bodies.map((body) => store.put('race', body)));
      expect(results.filter((result) => result === 'created')).toHaveLength(1);
      const winner = bodies[results.indexOf('created')]!;
      expect(hash(await store.get('race'))).toBe(hash(winner));
      expect(await keysOf(store, '')).toEqual(['race']);
    }));

  it('put takes a file, and refuses one that is not as long as told', () =>
    withFixture(create, async ({ store }) => {
      const folder = await mkdtemp(join(tmpdir(), 'hs-contract-'));
      try {
        const file = join(folder, 'pack');
        const body = randomBytes(300_000);
        await writeFile(file, body);
        for (const bytes of [299_999, 300_001]) {
          await expectFailure(store.put('f', { file, bytes }), Invalid, 'size-mismatch');
        }
        await failure(store.put('f', { file: join(folder, 'none'), bytes: 1 }));
        expect(await keysOf(store, '')).toEqual([]);
        expect(await store.put('f', { file, bytes: 300_000 })).toBe('created');
        expect(await store.put('f', { file, bytes: 300_000 })).toBe('exists');
        expect(hash(await store.get('f'))).toBe(hash(body));
        await writeFile(file, '');
        expect(hash(await store.get('f'))).toBe(hash(body));
        expect(await store.put('empty', { file, bytes: 0 })).toBe('created');
        expect(await store.get('empty')).toHaveLength(0);
      } finally {
        await rm(folder, { recursive: true });
      }
    }));

  it(
    'a big object comes back whole, in part and in pieces',
    () =>
      withFixture(create, async ({ store }) => {
        const body = randomBytes(BIG_BYTES);
        expect(await store.put('big', body)).toBe('created');
        expect(hash(await store.get('big'))).toBe(hash(body));
        const middle = await store.get('big', { start: 7_000_000, end: 7_000_100 });
        expect(hash(middle)).toBe(hash(body.subarray(7_000_000, 7_000_100)));
        let pieces = 0;
        let largest = 0;
        const whole = createHash('sha256');
        for await (const piece of store.stream('big')) {
          pieces += 1;
          largest = Math.max(largest, piece.length);
          whole.update(piece);
        }
        expect(whole.digest('hex')).toBe(hash(body));
        expect(pieces).toBeGreaterThan(1);
        expect(largest).toBeLessThan(BIG_BYTES);
      }),
    60_000,
  );
}

function readCases({ create, createBroken }: ObjectStoreContract, it: Declare): void {
  it('ranges are cut to the object', () =>
    withFixture(create, async ({ store }) => {
      await store.put('r', text('0123456789'));
      await store.put('none', new Uint8Array());
      const read = async (start: number, end: number, key = 'r') =>
        new TextDecoder().decode(await store.get(key, { start, end }));
      expect(await read(0, 10)).toBe('0123456789');
      expect(await read(0, 1)).toBe('0');
      expect(await read(9, 10)).toBe('9');
      expect(await read(3, 7)).toBe('3456');
      expect(await read(8, 99)).toBe('89');
      expect(await read(4, 4)).toBe('');
      expect(await read(10, 20)).toBe('');
      expect(await read(50, 60)).toBe('');
      expect(await read(0, 5, 'none')).toBe('');
      for (const range of [
        { start: -1, end: 3 },
        { start: 5, end: 4 },
        { start: 0.5, end: 3 },
        { start: 0, end: Number.NaN },
      ]) {
        await expectFailure(store.get('r', range), Invalid, 'bad-range');
      }
    }));

  it('an object that is not there is Gone, never empty', () =>
    withFixture(create, async ({ store }) => {
      await store.put('a/b', text('x'));
      for (const key of ['none', 'a', 'a/b/c', 'a/none']) {
        await expectFailure(store.get(key), Gone, 'no-object');
        await expectFailure(store.get(key, { start: 0, end: 0 }), Gone, 'no-object');
        await expectFailure(collect(store.stream(key)), Gone, 'no-object');
      }
    }));

  it('an empty object is there', () =>
    withFixture(create, async ({ store }) => {
      expect(await store.put('e', new Uint8Array())).toBe('created');
      expect(await store.put('e', text('late'))).toBe('exists');
      expect(await store.get('e')).toHaveLength(0);
      expect(await collect(store.stream('e'))).toHaveLength(0);
      expect(await keysOf(store, 'e')).toEqual(['e']);
    }));

  it(`${promise('EXPIRE')} delete removes what is there; absent keys are no error`, () =>
    withFixture(create, async ({ store }) => {
      for (const key of ['d/1', 'd/2', 'd/3', 'd2']) await store.put(key, text(key));
      await store.delete(['d/1', 'none', 'd/3', 'd', 'd/1/x']);
      expect(await keysOf(store, '')).toEqual(['d/2', 'd2']);
      await expectFailure(store.get('d/1'), Gone, 'no-object');
      await store.delete([]);
      await store.delete(['d/2', 'd/2']);
      expect(await keysOf(store, 'd/')).toEqual([]);
      expect(await store.put('d/1', text('again'))).toBe('created');
      expect(new TextDecoder().decode(await store.get('d/1'))).toBe('again');
    }));

  if (createBroken) {
    it(`${promise('NO-AMNESIA')} a store that cannot reach its objects fails; it never says "absent"`, () =>
      withFixture(createBroken, async ({ store }) => {
        const asked = [
          () => store.get('k'),
          () => store.put('k', text('x')),
          () => collect(store.stream('k')),
          () => keysOf(store, ''),
          () => store.delete(['k']),
        ];
        for (const ask of asked) expect(await failure(ask())).not.toBeInstanceOf(Gone);
      }));
  }
}
