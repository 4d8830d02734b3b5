// The contract of every `EventLog`: numbered from 1 without gaps within a turn, readable by who comes late or
// comes back, and a read that waits ends as soon as something happened.
import { randomUUID } from 'node:crypto';
import { describe, expect } from 'vitest';
import type { SessionId, Tenant, TurnId } from '../../src/core/ids.ts';
import type { EventLog, TurnEvent } from '../../src/core/ports/channel.ts';
import { type Contract, cases, withFixture } from './contract.ts';
import { pass } from './turn-queue-steps.ts';

export interface EventLogFixture {
  readonly log: EventLog;
  /** Lets `ms` pass for the log: moves a manual clock, or really waits. */
  advance(ms: number): Promise<void>;
  /** Another log over the same events, as a second process would open it; absent where there can be none. */
  reopen?(): Promise<EventLog>;
  close(): Promise<void>;
}

export type EventLogContract = Contract<EventLogFixture>;

const ACME = 'acme' as Tenant;
const NOW = { waitMs: 0 };
const FINAL: TurnEvent = {
  type: 'final',
  reply: { outcome: 'ok', text: 'done' },
  sessionId: '5e551017-0000-4000-8000-000000000000' as SessionId,
  generation: 1,
};

function turn(): TurnId {
  return `turn_${randomUUID().replaceAll('-', '')}` as TurnId;
}

function said(...texts: string[]): TurnEvent[] {
  return texts.map((text) => ({ type: 'text', text }));
}

export function eventLogContract({ name, create, skip }: EventLogContract): void {
  describe(`event log: ${name}`, () => {
    const { it, finish } = cases(skip);

    it('events are numbered from 1 and come back as they were', () =>
      withFixture(create, async ({ log }) => {
        const id = turn();
        const events: TurnEvent[] = [
          { type: 'status', status: 'running' },
          { type: 'tool', id: 't1', name: 'Bash', summary: 'ls "ü"', state: 'started' },
          { type: 'text', text: '👋\n' },
        ];
        await log.append(ACME, id, events.slice(0, 2));
        await log.append(ACME, id, []);
        await log.append(ACME, id, events.slice(2));
        const read = await log.read(ACME, id, 0, NOW);
        expect(read.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
        expect(read.map(({ event }) => event)).toEqual(events);
        for (const { atMs } of read) expect(atMs).toBeGreaterThan(0);
      }));

    it('a reader goes on after what it has', () =>
      withFixture(create, async ({ log }) => {
        const id = turn();
        await log.append(ACME, id, said('a', 'b', 'c'));
        expect((await log.read(ACME, id, 1, NOW)).map(({ sequence }) => sequence)).toEqual([2, 3]);
        expect(await log.read(ACME, id, 3, NOW)).toEqual([]);
        expect(await log.read(ACME, id, 99, NOW)).toEqual([]);
        expect(await log.read(ACME, turn(), 0, NOW)).toEqual([]);
      }));

    it('appends at once leave no gap and no double', () =>
      withFixture(create, async ({ log }) => {
        const id = turn();
        await Promise.all(Array.from({ length: 10 }, (_, i) => log.append(ACME, id, said(`${i}a`, `${i}b`))));
        const read = await log.read(ACME, id, 0, NOW);
        expect(read.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
        const order = read.map(({ event }) => (event.type === 'text' ? event.text : ''));
        expect(new Set(order).size).toBe(20);
        for (let i = 0; i < 10; i++) expect(order.indexOf(`${i}b`)).toBe(order.indexOf(`${i}a`) + 1);
      }));

    it('turns and tenants do not see each other', () =>
      withFixture(create, async ({ log }) => {
        const [one, two] = [turn(), turn()];
        await log.append(ACME, one, said('one'));
        await log.append(ACME, two, said('two'));
        expect(await log.read('other' as Tenant, one, 0, NOW)).toEqual([]);
        const read = await log.read(ACME, two, 0, NOW);
        expect(read).toHaveLength(1);
        expect(read[0]).toMatchObject({ sequence: 1, event: { text: 'two' } });
      }));

    it('waiting ends when something is appended, here or by another process', () =>
      withFixture(create, async (fixture) => {
        const { log, reopen } = fixture;
        for (const writer of [log, ...(reopen ? [await reopen()] : [])]) {
          const id = turn();
          const pending = log.read(ACME, id, 0, { waitMs: 60_000 });
          await fixture.advance(100);
          await writer.append(ACME, id, said('now'));
          expect(await pass(fixture, pending)).toHaveLength(1);
        }
      }));

    it('waiting ends with nothing after its time, and when it is called off', () =>
      withFixture(create, async (fixture) => {
        const { log } = fixture;
        expect(await pass(fixture, log.read(ACME, turn(), 0, { waitMs: 1_000 }))).toEqual([]);
        const stop = new AbortController();
        const pending = log.read(ACME, turn(), 0, { waitMs: 60_000, signal: stop.signal });
        await fixture.advance(100);
        stop.abort();
        expect(await pass(fixture, pending)).toEqual([]);
        expect(await log.read(ACME, turn(), 0, { waitMs: 60_000, signal: stop.signal })).toEqual([]);
      }));

    it('a turn ends with its first final event: later ones are dropped, from any process', () =>
      withFixture(create, async (fixture) => {
        const { log, reopen } = fixture;
        const writers = [log, ...(reopen ? [await reopen()] : [])];
        for (const batch of [said('late'), [FINAL], [...said('late'), FINAL]]) {
          const id = turn();
          await log.append(ACME, id, [...said('a'), FINAL, ...said('b'), FINAL]);
          for (const writer of writers) await writer.append(ACME, id, batch);
          const read = await log.read(ACME, id, 0, NOW);
          expect(read.map(({ event }) => event)).toEqual([...said('a'), FINAL]);
        }
      }));

    it('of final events appended at once, one stays', () =>
      withFixture(create, async ({ log, reopen }) => {
        const id = turn();
        const writers = [log, ...(reopen ? [await reopen()] : [])];
        await Promise.all(
          writers.flatMap((writer) => [writer.append(ACME, id, said('x')), writer.append(ACME, id, [FINAL])]),
        );
        const types = (await log.read(ACME, id, 0, NOW)).map(({ event }) => event.type);
        expect(types.indexOf('final')).toBe(types.length - 1);
      }));

    it("another turn's event does not end the waiting", () =>
      withFixture(create, async (fixture) => {
        const { log } = fixture;
        const id = turn();
        const pending = log.read(ACME, id, 0, { waitMs: 60_000 });
        await fixture.advance(100);
        await log.append(ACME, turn(), said('elsewhere'));
        await fixture.advance(200);
        await log.append(ACME, id, said('mine'));
        expect(await pass(fixture, pending)).toMatchObject([{ sequence: 1, event: { text: 'mine' } }]);
      }));

    finish();
  });
}
