// What the Agent SDK asks of any `SessionStore`: the thirteen behaviours its documentation publishes for adapters, in
// our own words. Runs over every adapter; optional methods it has not are left out with `skip`.
import { randomUUID } from 'node:crypto';
import type { SessionStore, SessionStoreEntry } from '@anthropic-ai/claude-agent-sdk';
import { describe, expect } from 'vitest';
import { type ContractSkip, cases, needed, withFixture } from './contract.ts';

export interface SdkSessionStoreContract {
  readonly name: string;
  /** A store over an empty place. */
  create(): Promise<{ readonly store: SessionStore; close(): Promise<void> }>;
  readonly skip?: readonly ContractSkip[];
}

/** An entry as the CLI writes them, with a uuid of its own. */
export function entryOf(text: string, uuid: string = randomUUID()): SessionStoreEntry {
  const timestamp = '2026-11-22T12:00:00.000Z';
  return { type: 'user', uuid, timestamp, message: { role: 'user', content: text } };
}

export function entriesOf(...texts: readonly string[]): SessionStoreEntry[] {
  return texts.map((text) => entryOf(text));
}

/** A session nobody else in the run uses. */
export function sessionName(): { projectKey: string; sessionId: string } {
  return { projectKey: `-home-${randomUUID()}`, sessionId: randomUUID() };
}

const agentOf = (id: string): string => `subagents/agent-${id}`;

export function sdkSessionStoreContract(contract: SdkSessionStoreContract): void {
  describe(`SDK session store: ${contract.name}`, () => {
    const { it, finish } = cases(contract.skip);
    const use = (run: (store: SessionStore) => Promise<void>) => () =>
      withFixture(contract.create, ({ store }) => run(store));

    it(
      'what was appended is loaded, in order',
      use(async (store) => {
        const key = sessionName();
        const entries = entriesOf('one', 'two', 'three');
        await store.append(key, entries);
        expect(await store.load(key)).toEqual(entries);
      }),
    );

    it(
      'a session never written is null, not empty',
      use(async (store) => {
        expect(await store.load(sessionName())).toBeNull();
        const key = sessionName();
        await store.append(key, entriesOf('x'));
        expect(await store.load({ ...key, sessionId: randomUUID() })).toBeNull();
        expect(await store.load({ ...key, subpath: agentOf('none') })).toBeNull();
      }),
    );

    it(
      'several appends are loaded in the order of the calls',
      use(async (store) => {
        const key = sessionName();
        const batches = [entriesOf('a', 'b'), entriesOf('c'), entriesOf('d', 'e', 'f')];
        for (const batch of batches) await store.append(key, batch);
        expect(await store.load(key)).toEqual(batches.flat());
      }),
    );

    it(
      'an empty append changes nothing',
      use(async (store) => {
        const key = sessionName();
        const entries = entriesOf('x');
        await store.append(key, entries);
        await store.append(key, []);
        expect(await store.load(key)).toEqual(entries);
      }),
    );

    it(
      'a subpath is a transcript of its own',
      use(async (store) => {
        const key = sessionName();
        const [main, agent] = [entriesOf('main'), entriesOf('agent 1', 'agent 2')];
        await store.append(key, main);
        await store.append({ ...key, subpath: agentOf('1') }, agent);
        expect(await store.load(key)).toEqual(main);
        expect(await store.load({ ...key, subpath: agentOf('1') })).toEqual(agent);
      }),
    );

    it(
      'the same session id in two projects is two sessions',
      use(async (store) => {
        const [here, there] = [sessionName(), sessionName()];
        const elsewhere = { ...here, projectKey: there.projectKey };
        const [mine, other] = [entriesOf('mine'), entriesOf('other')];
        await store.append(here, mine);
        await store.append(elsewhere, other);
        expect(await store.load(here)).toEqual(mine);
        expect(await store.load(elsewhere)).toEqual(other);
      }),
    );

    it(
      'sessions are listed with the time of their last change',
      use(async (store) => {
        const list = needed(store.listSessions?.bind(store));
        const first = sessionName();
        const second = { ...first, sessionId: randomUUID() };
        expect(await list(first.projectKey)).toEqual([]);
        await store.append(first, entriesOf('x'));
        await store.append(second, entriesOf('y'));
        await store.append(sessionName(), entriesOf('another project'));
        const found = await list(first.projectKey);
        expect(found.map(({ sessionId }) => sessionId).sort()).toEqual(
          [first.sessionId, second.sessionId].sort(),
        );
        for (const { mtime } of found) {
          expect(Number.isSafeInteger(mtime)).toBe(true);
          expect(mtime).toBeGreaterThan(1_000_000_000_000);
        }
      }),
    );

    it(
      'subpaths are not listed as sessions',
      use(async (store) => {
        const list = needed(store.listSessions?.bind(store));
        const key = sessionName();
        await store.append(key, entriesOf('x'));
        await store.append({ ...key, subpath: agentOf('1') }, entriesOf('y'));
        const only = { ...key, sessionId: randomUUID(), subpath: agentOf('2') };
        await store.append(only, entriesOf('z'));
        expect((await list(key.projectKey)).map(({ sessionId }) => sessionId)).toEqual([key.sessionId]);
      }),
    );

    it(
      'a deleted session is null again',
      use(async (store) => {
        const remove = needed(store.delete?.bind(store));
        const key = sessionName();
        await remove(key);
        await store.append(key, entriesOf('x'));
        await remove(key);
        expect(await store.load(key)).toBeNull();
        if (store.listSessions) expect(await store.listSessions(key.projectKey)).toEqual([]);
      }),
    );

    it(
      'deleting a session deletes its subpaths',
      use(async (store) => {
        const remove = needed(store.delete?.bind(store));
        const key = sessionName();
        const agent = { ...key, subpath: agentOf('1') };
        const other = { ...key, sessionId: randomUUID() };
        const kept = entriesOf('kept');
        await store.append(key, entriesOf('x'));
        await store.append(agent, entriesOf('y'));
        await store.append(other, kept);
        await remove(key);
        expect(await store.load(agent)).toBeNull();
        if (store.listSubkeys) expect(await store.listSubkeys(key)).toEqual([]);
        expect(await store.load(other)).toEqual(kept);
      }),
    );

    it(
      'deleting a subpath deletes nothing else',
      use(async (store) => {
        const remove = needed(store.delete?.bind(store));
        const key = sessionName();
        const [one, two] = [
          { ...key, subpath: agentOf('1') },
          { ...key, subpath: agentOf('2') },
        ];
        const [main, kept] = [entriesOf('main'), entriesOf('kept')];
        await store.append(key, main);
        await store.append(one, entriesOf('gone'));
        await store.append(two, kept);
        await remove(one);
        expect(await store.load(one)).toBeNull();
        expect(await store.load(two)).toEqual(kept);
        expect(await store.load(key)).toEqual(main);
      }),
    );

    it(
      'subkeys are the subpaths of a session',
      use(async (store) => {
        const list = needed(store.listSubkeys?.bind(store));
        const key = sessionName();
        await store.append(key, entriesOf('main'));
        await store.append({ ...key, subpath: agentOf('1') }, entriesOf('x'));
        await store.append({ ...key, subpath: agentOf('2') }, entriesOf('y'));
        await store.append({ ...key, sessionId: randomUUID(), subpath: agentOf('3') }, entriesOf('z'));
        expect((await list(key)).sort()).toEqual([agentOf('1'), agentOf('2')]);
      }),
    );

    it(
      'subkeys leave the main transcript out',
      use(async (store) => {
        const list = needed(store.listSubkeys?.bind(store));
        const key = sessionName();
        expect(await list(key)).toEqual([]);
        await store.append(key, entriesOf('main'));
        expect(await list(key)).toEqual([]);
      }),
    );

    finish();
  });
}
