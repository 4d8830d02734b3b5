// An entry sent twice is kept once, whatever was lost on the way; nothing that was kept is lost or moved.
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { Corrupt, Invalid } from '../../src/core/errors.ts';
import { promise } from '../../src/core/promises.ts';
import { faultyPorts, Killed } from './agent-session-store-faults.ts';
import type { Fixture } from './agent-session-store-fixture.ts';
import { entriesOf, entryOf, sessionName } from './agent-session-store-sdk.ts';
import { type Declare, expectFailure, withFixture } from './contract.ts';

const title = (text: string) => ({ type: 'custom-title', customTitle: text });

export function repeatCases(create: () => Promise<Fixture>, it: Declare): void {
  const use = (run: (fixture: Fixture) => Promise<void>) => () => withFixture(create, run);

  it(
    `${promise('ONCE-IN')} a batch sent again is kept once, also by another instance`,
    use(async ({ open }) => {
      const key = sessionName();
      const store = open();
      const batch = [title('a title'), ...entriesOf('one', 'two'), title('between'), entryOf('three')];
      await store.append(key, batch);
      await store.append(key, batch);
      await store.release();
      await open().append(key, batch);
      expect(await open().load(key)).toEqual(batch);
    }),
  );

  it(
    `${promise('ONCE-IN')} a batch that overlaps with what is kept adds only its new part`,
    use(async ({ open }) => {
      const key = sessionName();
      const store = open();
      const entries = [...entriesOf('1', '2'), title('t'), ...entriesOf('3', '4'), title('u'), entryOf('5')];
      await store.append(key, entries.slice(0, 4));
      await store.append(key, entries.slice(1, 6));
      await store.release();
      const other = open();
      await other.append(key, entries.slice(3));
      await other.append(key, [entries[6]!, entries[6]!]);
      expect(await other.load(key)).toEqual(entries);
    }),
  );

  it(
    'entries without a uuid are kept each time, unless they repeat their place',
    use(async ({ open }) => {
      const key = sessionName();
      const store = open();
      const [one, two] = [entryOf('one'), entryOf('two')];
      await store.append(key, [title('a')]);
      await store.append(key, [title('a')]);
      await store.append(key, [one, title('a')]);
      await store.append(key, [one, title('b')]);
      await store.append(key, [title('a'), two]);
      expect(await store.load(key)).toEqual([
        title('a'),
        title('a'),
        one,
        title('a'),
        title('b'),
        title('a'),
        two,
      ]);
    }),
  );

  it(
    'the same uuid in two transcripts is two entries',
    use(async ({ open }) => {
      const key = sessionName();
      const store = open();
      const entry = entryOf('same');
      await store.append(key, [entry]);
      await store.append({ ...key, subpath: 'subagents/agent-1' }, [entry]);
      expect(await store.load({ ...key, subpath: 'subagents/agent-1' })).toEqual([entry]);
    }),
  );

  it(
    'what was refused is tried again inside',
    use(async ({ open, store, objects }) => {
      const key = sessionName();
      const ports = faultyPorts(store, objects);
      const writer = open(ports);
      const [first, second] = [entriesOf('1', '2'), entriesOf('3')];
      ports.fail('begin', 'refused');
      ports.fail('put', 'refused', 'refused');
      ports.fail('commit', 'refused');
      ports.fail('advance', 'refused');
      await writer.append(key, first);
      await writer.append(key, second);
      expect(await open().load(key)).toEqual([...first, ...second]);
    }),
  );

  it(
    `${promise('ONCE-IN')} an answer that was lost neither doubles nor loses a batch`,
    use(async ({ open, store, objects }) => {
      const key = sessionName();
      const ports = faultyPorts(store, objects);
      const writer = open(ports);
      const batches = [entriesOf('1'), [title('x')], entriesOf('2'), [title('x')], entriesOf('3')];
      ports.fail('commit', 'lost-answer');
      ports.fail('advance', 'lost-answer', 'lost-answer', 'lost-answer');
      for (const batch of batches) await writer.append(key, batch);
      expect(await writer.load(key)).toEqual(batches.flat());
      expect(await open().load(key)).toEqual(batches.flat());
    }),
  );

  it(
    `${promise('ATOMIC')} a writer that dies between pack and head leaves the session as it was`,
    use(async ({ open, store, objects }) => {
      const key = sessionName();
      const ports = faultyPorts(store, objects);
      const writer = open(ports);
      const [first, second] = [entriesOf('1'), entriesOf('2', '3')];
      ports.fail('commit', 'killed');
      await expect(writer.append(key, first)).rejects.toThrow(Killed);
      expect(await open().load(key)).toBeNull();
      await writer.append(key, first);
      ports.fail('advance', 'killed');
      await expect(writer.append(key, second)).rejects.toThrow(Killed);
      expect(await open().load(key)).toEqual(first);
      await writer.append(key, second);
      expect(await open().load(key)).toEqual([...first, ...second]);
    }),
  );

  it(
    'entries come back deep-equal, whatever they hold',
    use(async ({ open }) => {
      const key = sessionName();
      const entries = [
        entryOf('line\nbreak \u2028 \u0000 \ud83d\ude00 lone \ud800 quote " back \\'),
        { type: 'x', uuid: '', nested: { list: [1, null, true, { deep: [] }], '': 0, 'a b': 1e300 } },
        JSON.parse('{"type":"proto","__proto__":{"a":1},"constructor":"c","uuid":"__proto__"}'),
        { type: 'numeric uuid', uuid: 7 as unknown as string },
        entryOf('x'.repeat(700_000)),
      ];
      await open().append(key, entries);
      expect(await open().load(key)).toEqual(entries);
    }),
  );

  it(
    'a store that may remember nothing still recognises repeats',
    use(async ({ open }) => {
      const writer = open({ maxRememberedEntries: 0 });
      const project = sessionName();
      const sessions = Array.from({ length: 4 }, () => ({ ...project, sessionId: randomUUID() }));
      const batches = sessions.map((_, i) => entriesOf(`${i}a`, `${i}b`));
      for (let round = 0; round < 2; round++) {
        for (const [i, key] of sessions.entries()) await writer.append(key, batches[i]!);
      }
      for (const [i, key] of sessions.entries()) expect(await open().load(key)).toEqual(batches[i]);
      expect((await open().listSessions(project.projectKey)).length).toBe(4);
    }),
  );

  it(
    'an empty append makes no session',
    use(async ({ open }) => {
      const key = sessionName();
      await open().append(key, []);
      expect(await open().load(key)).toBeNull();
    }),
  );

  it(
    'an entry that is no object is refused, and nothing of its batch is kept',
    use(async ({ open }) => {
      const key = sessionName();
      const bad = [entryOf('x'), 'text'] as unknown as Parameters<ReturnType<typeof open>['append']>[1];
      await expectFailure(open().append(key, bad), Invalid, 'bad-entry');
      expect(await open().load(key)).toBeNull();
    }),
  );

  it(
    `${promise('TENANT')} hostile names and tenants share nothing`,
    use(async ({ open }) => {
      const names = [
        '../x',
        '..',
        'a/b',
        'a',
        'b/main.jsonl',
        '-',
        '=2F',
        'ä',
        'a\u0308',
        'A',
        '%',
        '\u0000',
        '*',
      ];
      const store = open();
      const other = open({ tenant: 'other/default' });
      const sessionId = randomUUID();
      for (const name of names) {
        await store.append({ projectKey: name, sessionId: name }, [entryOf(`main ${name}`)]);
        await store.append({ projectKey: 'p', sessionId, subpath: name }, [entryOf(`sub ${name}`)]);
        expect(await other.load({ projectKey: name, sessionId: name })).toBeNull();
      }
      for (const name of names) {
        const main = await store.load({ projectKey: name, sessionId: name });
        expect(main?.map((entry) => entry.message)).toEqual([{ role: 'user', content: `main ${name}` }]);
        const sub = await store.load({ projectKey: 'p', sessionId, subpath: name });
        expect(sub?.map((entry) => entry.message)).toEqual([{ role: 'user', content: `sub ${name}` }]);
        expect((await store.listSessions(name)).map((session) => session.sessionId)).toEqual([name]);
      }
      expect((await store.listSubkeys({ projectKey: 'p', sessionId })).sort()).toEqual([...names].sort());
      expect(await other.listSessions('a')).toEqual([]);
      for (const bad of ['', 'x'.repeat(300), '\ud800']) {
        await expectFailure(store.load({ projectKey: bad, sessionId }), Invalid, 'bad-key');
        await expectFailure(
          store.append({ projectKey: 'p', sessionId: bad }, entriesOf('x')),
          Invalid,
          'bad-key',
        );
        await expectFailure(store.load({ projectKey: 'p', sessionId, subpath: bad }), Invalid, 'bad-key');
      }
    }),
  );

  it(
    `${promise('NO-AMNESIA')} a pack that is gone or damaged is an error, never null or a part`,
    use(async ({ open, objects }) => {
      const key = sessionName();
      const writer = open();
      await writer.append(key, entriesOf('1'));
      await writer.append(key, entriesOf('2'));
      const packs: string[] = [];
      for await (const object of objects.list('')) packs.push(object.key);
      const whole = await objects.get(packs[0]!);
      await objects.delete([packs[0]!]);
      await expectFailure(open().load(key), Corrupt, 'missing-pack');
      await writer.release();
      await expectFailure(open().append(key, entriesOf('3')), Corrupt, 'missing-pack');
      whole[whole.length - 1]! ^= 1;
      await objects.put(packs[0]!, whole);
      await expectFailure(open().load(key), Corrupt, 'corrupt-pack');
    }),
  );
}
