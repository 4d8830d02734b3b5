// A long life: reads of a load, and bytes of an append, do not grow with it.
import { expect } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { settle } from '../clock.ts';
import { faultyPorts } from './agent-session-store-faults.ts';
import type { Fixture } from './agent-session-store-fixture.ts';
import { entriesOf, entryOf, sessionName } from './agent-session-store-sdk.ts';
import { type Declare, withFixture } from './contract.ts';

const MAX_READS = 8;

export function growthCases(create: () => Promise<Fixture>, it: Declare, longEntries: number): void {
  const use = (run: (fixture: Fixture) => Promise<void>) => () => withFixture(create, run);

  it(
    `${promise('DELTA')} a transcript of many entries, appended one by one in part, loads with eight reads`,
    use(async ({ open, store, objects }) => {
      const key = sessionName();
      const ports = faultyPorts(store, objects);
      const writer = open(ports);
      const single = Math.min(120, longEntries / 2);
      const all = Array.from({ length: longEntries }, (_, i) => entryOf(`entry ${i}`));
      const few = all.slice(0, single);
      for (const entry of few) await writer.append(key, [entry]);
      for (let at = single; at < longEntries; at += 500) await writer.append(key, all.slice(at, at + 500));
      await writer.release();
      const reader = faultyPorts(store, objects);
      expect(await open(reader).load(key)).toEqual(all);
      expect(reader.reads.length).toBeLessThanOrEqual(MAX_READS);
      expect(reader.calls.filter((call) => call !== 'then')).toEqual(['getMapping', 'getHead']);
      let stored = 0;
      for await (const object of objects.list('')) if (object.bytes > 0) stored++;
      expect(stored).toBeLessThan(40);
    }),
    120_000,
  );

  it(
    `${promise('DELTA')} what an append uploads depends on the batch, not on the transcript before it`,
    use(async ({ open, store, objects }) => {
      const key = sessionName();
      const ports = faultyPorts(store, objects);
      const writer = open(ports);
      const text = (i: number) =>
        Array.from({ length: 40 }, (_, word) => ((i * 40 + word) * 7919) % 100_003).join(' ');
      await writer.append(key, entriesOf(text(0)));
      const young = ports.puts[0]!.bytes;
      await writer.append(
        key,
        Array.from({ length: 2_000 }, (_, i) => entryOf(text(i))),
      );
      const big = ports.puts.at(-1)!.bytes;
      expect(big).toBeGreaterThan(100 * young);
      const from = ports.puts.length;
      for (let i = 0; i < 60; i++) await writer.append(key, entriesOf(text(10_000 + i)));
      const later = ports.puts.slice(from).map((put) => put.bytes);
      // Merges of small packs included; the large one is never uploaded again.
      expect(Math.max(...later)).toBeLessThan(big / 2);
      const sum = later.reduce((total, bytes) => total + bytes, 0);
      expect(sum / 60).toBeLessThan(8 * young);
    }),
  );

  it(
    'subagents are read with few, small reads once the session was loaded',
    use(async ({ open, store, objects }) => {
      const key = sessionName();
      const writer = open();
      const agents = Array.from({ length: 5 }, (_, i) => ({ ...key, subpath: `subagents/agent-${i}` }));
      for (const [i, agent] of agents.entries()) {
        await writer.append(key, entriesOf(`main ${i}`));
        await writer.append(agent, entriesOf(`agent ${i}`, 'x'.repeat(20_000)));
      }
      await writer.release();
      const reader = faultyPorts(store, objects);
      const resumed = open(reader);
      expect((await resumed.load(key))?.length).toBe(5);
      expect(reader.reads.length).toBeLessThanOrEqual(MAX_READS);
      expect(await resumed.listSubkeys(key)).toHaveLength(5);
      const before = reader.reads.length;
      for (const agent of agents) expect((await resumed.load(agent))?.length).toBe(2);
      expect(reader.reads.length - before).toBe(5);
      // What was loaded is known: going on reads nothing more.
      await resumed.append(key, entriesOf('on'));
      await resumed.append(agents[0]!, entriesOf('on'));
      expect(reader.reads.length - before).toBe(5);
    }),
  );

  it(
    `${promise('ATOMIC')} a load beside a writer sees whole batches from the beginning, and never fails`,
    use(async ({ open }) => {
      const key = sessionName();
      const writer = open();
      const batches = Array.from({ length: 120 }, (_, i) => entriesOf(`${i}a`, `${i}b`));
      let done = false;
      const writing = (async () => {
        for (const batch of batches) await writer.append(key, batch);
        done = true;
      })();
      const all = batches.flat();
      let seen = 0;
      let loads = 0;
      while (!done) {
        const entries = (await open().load(key)) ?? [];
        expect(entries.length % 2).toBe(0);
        expect(entries.length).toBeGreaterThanOrEqual(seen);
        expect(entries).toEqual(all.slice(0, entries.length));
        seen = entries.length;
        loads++;
        // Memory stores never wait for anything: let the writer's merges come to their turn.
        await settle();
      }
      await writing;
      expect(loads).toBeGreaterThan(1);
      expect(await open().load(key)).toEqual(all);
    }),
  );
}
