// One writer at a time: the lease keeps a second one out, the fence stops the first one once it was overtaken, and
// nobody goes on from where the conversation no longer stands. Order is that of commits, whatever clocks say.
import { expect } from 'vitest';
import { Conflict } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { createSkewedClock } from '../clock.ts';
import { faultyPorts } from './agent-session-store-faults.ts';
import { type Fixture, LEASE_MS } from './agent-session-store-fixture.ts';
import { entriesOf, entryOf, sessionName } from './agent-session-store-sdk.ts';
import { type Declare, expectFailure, withFixture } from './contract.ts';

export function writerCases(create: () => Promise<Fixture>, it: Declare): void {
  const use = (run: (fixture: Fixture) => Promise<void>) => () => withFixture(create, run);

  it(
    `${promise('ORDER')} appends made at once are kept whole, in the order of the calls, in few writes`,
    use(async ({ open, store, objects }) => {
      const key = sessionName();
      const ports = faultyPorts(store, objects);
      const writer = open(ports);
      const batches = Array.from({ length: 40 }, (_, i) => entriesOf(`${i}a`, `${i}b`));
      const agent = { ...key, subpath: 'subagents/agent-1' };
      await Promise.all([
        ...batches.map((batch) => writer.append(key, batch)),
        writer.append(agent, batches[0]!),
      ]);
      expect(await open().load(key)).toEqual(batches.flat());
      expect(await open().load(agent)).toEqual(batches[0]);
      expect(ports.puts.length).toBeLessThan(4);
    }),
  );

  it(
    `${promise('FENCED')} a second live writer is refused; the session stays the first one's`,
    use(async ({ open, clock }) => {
      const key = sessionName();
      const [first, second] = [open(), open()];
      const [one, two] = [entriesOf('1'), entriesOf('2')];
      await first.append(key, one);
      await expectFailure(second.append(key, entriesOf('x')), Conflict, 'another-writer');
      // Renewed by use: far beyond the first lease.
      for (let i = 0; i < 5; i++) {
        await clock.advance(LEASE_MS * 0.7);
        await first.append(key, [{ type: 'mark', at: i }]);
        await expectFailure(second.append(key, entriesOf('x')), Conflict, 'another-writer');
      }
      await first.append(key, two);
      const entries = await open().load(key);
      expect(entries?.filter((entry) => entry.uuid)).toEqual([...one, ...two]);
    }),
  );

  it(
    `${promise('FENCED')} once the lease has run out another takes over, and the first is refused`,
    use(async ({ open, clock }) => {
      const key = sessionName();
      const [first, second] = [open(), open()];
      const [one, two, three] = [entriesOf('1'), entriesOf('2'), entriesOf('3')];
      await first.append(key, one);
      await clock.advance(LEASE_MS + 1);
      await second.append(key, two);
      await expectFailure(first.append(key, entriesOf('x')), Conflict, 'writer-replaced');
      await second.append(key, three);
      await clock.advance(LEASE_MS + 1);
      await expectFailure(first.append(key, entriesOf('x')), Conflict, 'writer-replaced');
      await second.append(key, entriesOf());
      expect(await open().load(key)).toEqual([...one, ...two, ...three]);
      // Loaded anew, the first may go on.
      await second.release();
      await first.load(key);
      const four = entriesOf('4');
      await first.append(key, four);
      expect(await open().load(key)).toEqual([...one, ...two, ...three, ...four]);
    }),
  );

  it(
    `${promise('FENCED')} of two that loaded the same state only one carries it on, though never at once`,
    use(async ({ open }) => {
      const key = sessionName();
      const first = open();
      const base = entriesOf('base');
      await first.append(key, base);
      await first.release();
      const [left, right] = [open(), open()];
      await Promise.all([left.load(key), right.load(key)]);
      const mine = entriesOf('left');
      await left.append(key, mine);
      await left.release();
      await expectFailure(right.append(key, entriesOf('right')), Conflict, 'writer-replaced');
      await left.append(key, [{ type: 'tag', tag: 'still here' }]);
      expect((await open().load(key))?.filter((entry) => entry.uuid)).toEqual([...base, ...mine]);
    }),
  );

  it(
    'a title from elsewhere stops nobody',
    use(async ({ open }) => {
      const key = sessionName();
      const writer = open();
      const [one, two] = [entriesOf('1'), entriesOf('2')];
      const title = { type: 'custom-title', customTitle: 'T' };
      await writer.append(key, one);
      await writer.release();
      const other = open();
      await other.append(key, [title]);
      await other.release();
      await writer.append(key, two);
      expect(await open().load(key)).toEqual([...one, title, ...two]);
    }),
  );

  it(
    'a lease given back, or run out while one waits, is taken at once',
    use(async ({ open }) => {
      const key = sessionName();
      const [first, second, third] = [open(), open(), open({ takeoverWaitMs: 20_000 })];
      const [one, two, three] = [entriesOf('1'), entriesOf('2'), entriesOf('3')];
      await first.append(key, one);
      await first.release(key);
      await second.append(key, two);
      await third.append(key, three);
      expect(await open().load(key)).toEqual([...one, ...two, ...three]);
    }),
  );

  it(
    `${promise('ORDER')} clocks that are wrong by an hour reorder nothing, and times never go back`,
    use(async ({ open, clock }) => {
      const key = sessionName();
      const hour = 3_600_000;
      const all = [];
      let before = 0;
      for (const skewMs of [0, hour, -hour, 0, -2 * hour]) {
        const writer = open({ clock: createSkewedClock(clock, skewMs) });
        const batch = entriesOf(`a ${skewMs}`, `b ${skewMs}`);
        all.push(...batch);
        await writer.append(key, batch);
        await writer.release();
        const [listed] = await writer.listSessions(key.projectKey);
        const [summary] = await writer.listSessionSummaries(key.projectKey);
        expect(listed!.mtime).toBeGreaterThan(before);
        expect(summary!.mtime).toBe(listed!.mtime);
        before = listed!.mtime;
      }
      expect(await open().load(key)).toEqual(all);
    }),
  );

  it(
    'summaries grow with appends, and read no pack',
    use(async ({ open, store, objects }) => {
      const key = sessionName();
      const writer = open();
      await writer.append(key, [entryOf('first prompt')]);
      await writer.append(key, [{ type: 'custom-title', customTitle: 'Named' }]);
      await writer.append({ ...key, subpath: 'subagents/agent-1' }, [entryOf('agent prompt')]);
      const ports = faultyPorts(store, objects);
      const [summary] = await open(ports).listSessionSummaries(key.projectKey);
      expect(summary?.sessionId).toBe(key.sessionId);
      expect(summary?.data).toMatchObject({ firstPrompt: 'first prompt', customTitle: 'Named' });
      expect(ports.reads).toEqual([]);
    }),
  );

  it(
    `${promise('EXPIRE')} deleting leaves no object, and whoever still writes is stopped`,
    use(async ({ open, objects, clock }) => {
      const key = sessionName();
      const [writer, eraser] = [open(), open()];
      await writer.append(key, entriesOf('secret'));
      await writer.append({ ...key, subpath: 'a' }, entriesOf('secret too'));
      await expectFailure(eraser.delete(key), Conflict, 'another-writer');
      await clock.advance(LEASE_MS + 1);
      await eraser.delete(key);
      await expectFailure(writer.append(key, entriesOf('late')), Conflict, 'writer-replaced');
      const left: string[] = [];
      for await (const object of objects.list('')) left.push(object.key);
      expect(left).toEqual([]);
      expect(await open().load(key)).toBeNull();
    }),
  );

  it(
    `${promise('EXPIRE')} the bytes of a deleted subpath are gone from every pack`,
    use(async ({ open, objects }) => {
      const key = sessionName();
      const writer = open();
      const agent = { ...key, subpath: 'subagents/agent-1' };
      const main = entriesOf('m1', 'm2', 'm3');
      await writer.append(key, main.slice(0, 1));
      await writer.append(agent, [entryOf('s'.repeat(50_000))]);
      await Promise.all([writer.append(key, main.slice(1, 2)), writer.append(agent, entriesOf('secret'))]);
      await writer.append(key, main.slice(2));
      await writer.delete(agent);
      let bytes = 0;
      let count = 0;
      for await (const object of objects.list('')) {
        bytes += object.bytes;
        count++;
      }
      expect(count).toBe(2);
      expect(bytes).toBeLessThan(3_000);
      expect(await open().load(key)).toEqual(main);
      await writer.append(agent, entriesOf('anew'));
      expect(await open().listSubkeys(key)).toEqual(['subagents/agent-1']);
      expect((await open().load(agent))?.length).toBe(1);
    }),
  );

  it(
    `${promise('EXPIRE')} a session past its retention is absent; use makes it last`,
    use(async ({ open, clock }) => {
      const key = sessionName();
      const writer = open({ retentionSec: 1_000 });
      await writer.append(key, entriesOf('1'));
      for (let i = 0; i < 10; i++) {
        await clock.advance(400_000);
        await writer.append(key, entriesOf(`more ${i}`));
      }
      expect((await open().load(key))?.length).toBe(11);
      await clock.advance(1_001_000);
      expect(await open().load(key)).toBeNull();
      expect(await open().listSessions(key.projectKey)).toEqual([]);
      const fresh = entriesOf('fresh');
      await open().append(key, fresh);
      expect(await open().load(key)).toEqual(fresh);
    }),
  );
}
