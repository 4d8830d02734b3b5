// A host that lies. Whatever it says on the line, in whichever field, the worker stores nothing under another name than it
// asked for, moves the head to nothing unsound, and goes on living.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ModelAccess } from '../../src/agent/model-access.ts';
import { Refused } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import type { TurnEvent } from '../../src/core/ports/channel.ts';
import type { AgentOutcome } from '../../src/core/ports/execution.ts';
import type { AgentHost } from '../../src/core/ports/hosts.ts';
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import type { SessionHead } from '../../src/core/records.ts';
import { createProcessHosts } from '../../src/host/process-hosts.ts';
import { MAX_FRAME_BYTES, MAX_PROGRESS_BYTES } from '../../src/host/protocol.ts';
import { digestOf, encodeHeader, type PackHeader } from '../../src/state/header.ts';
import { createSessionState, newestOf } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import { leaseOf, requestOf } from '../agent/turn-fixture.ts';
import { type Frame, type Liar, stagesPacks, startLiar } from './liar-places.ts';

const SESSION = '11111111-2222-4333-8444-555555555555';
const limits = { maxWorkspaceBytes: 1_000_000, maxWorkspaceFiles: 100 };
const access = {
  during: (_run, work) =>
    work({ folder: { settings: {} }, model: { demo: true }, away: () => null } as never),
  answersAgain: async () => true,
  modelsOf: async () => ({ own: null, choices: [] }),
} satisfies ModelAccess;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostile-'));
});
afterAll(() => rm(folder, { recursive: true }));

const EMPTY: PackHeader = {
  generation: 1,
  parent: null,
  blocks: [],
  delta: { removed: new Set(), set: new Map() },
  after: { entries: 0, bytes: 0 },
};

/** A pack without a chunk. */
function pack(header: Partial<PackHeader> = {}, name = '0000000001-1-0badcafe') {
  const body = encodeHeader({ ...EMPTY, ...header });
  const entry = {
    name,
    bytes: body.length,
    headerBytes: body.length,
    digest: digestOf(body),
    rawBytes: 0,
    liveBytes: 0,
  };
  return { body, entry, stored: { generation: 1, content: entry.digest, packs: [entry] } };
}

const honest: Liar = (frame, { say, bytes }) => {
  if (frame.type === 'open') say({ type: 'opened' });
  if (frame.type === 'run') say({ type: 'ended', outcome: { status: 'ok', text: 'said', demo: false } });
  if (frame.type !== 'save') return;
  const { body, entry, stored } = pack();
  say({ type: 'pack', name: entry.name, bytes: body.length });
  bytes(body);
  say({ type: 'saved', stored, dead: [], refused: [] });
};

/** Lies when it is asked for this, and is honest otherwise. */
const lying =
  (type: string, liar: Liar): Liar =>
  (frame, line) =>
    (frame.type === type ? liar : honest)(frame, line);

async function keysOf(objects: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list(prefix)) keys.push(key);
  return keys;
}

async function setUp(liar: Liar, over: { objects?: ObjectStore } = {}) {
  const objects = over.objects ?? createMemoryObjectStore();
  const state = createSessionState({ objects, limits });
  const events: TurnEvent[] = [];
  const told: string[] = [];
  const start = startLiar({
    liar,
    objects,
    spool: folder,
    log: (_level, event, fields) => void told.push(`${event} ${JSON.stringify(fields)}`),
  });
  const hosts = createProcessHosts({ start, objects, state, limits, access, spares: 0, log: silentLog });
  const lease = leaseOf(SESSION);
  const head: SessionHead = {
    ...lease,
    generation: 0,
    state: null,
    createdAtMs: 0,
    updatedAtMs: 0,
    expiresAtSec: 2 ** 31,
  };
  const run = (host: AgentHost): Promise<AgentOutcome> =>
    host.run({
      sessionId: lease.sessionId,
      resume: false,
      continuing: false,
      request: requestOf('hello', 'm'),
      tries: 1,
      progress: (event) => void events.push(event),
      signal: new AbortController().signal,
    });
  const keys = () => keysOf(objects, '');
  return { hosts, lease, head, run, keys, events, told, state, objects };
}

test('one that does as it is asked: the state follows', async () => {
  const { hosts, lease, head, run, keys } = await setUp(honest);
  const host = await hosts.open(lease, head);
  expect(await run(host)).toMatchObject({ status: 'ok', text: 'said' });
  const saved = await host.save({ head, generation: 1, running: false });
  expect(newestOf({ ...head, generation: 1, state: saved.state })?.packs).toHaveLength(1);
  expect(await keys()).toEqual([`test/${SESSION}/0000000001-1-0badcafe.pack`]);
});

describe('lies about a run end in a failed turn', () => {
  const failed = { status: 'failed', failure: { code: 'agent-crashed' } };
  const outcome = { status: 'ok', text: 'said', demo: false };
  test.each<[string, Liar]>([
    ['no JSON', (_, { say }) => say('{"type":"ended"\n')],
    ['no object', (_, { say }) => say('[]\n')],
    ['an unknown frame', (_, { say }) => say({ type: 'commit', state: {} })],
    ['a frame with more than it has', (_, { say }) => say({ type: 'ended', outcome, state: {} })],
    ['an endless frame', (_, { say }) => say(`"${'x'.repeat(MAX_FRAME_BYTES + 1)}`)],
    ['an endless line of them', (_, { say }) => say(`${' '.repeat(MAX_FRAME_BYTES + 1)}\n`)],
    [
      'an unknown status',
      (_, { say }) => say({ type: 'ended', outcome: { ...outcome, status: 'committed' } }),
    ],
    ['no text', (_, { say }) => say({ type: 'ended', outcome: { status: 'ok', demo: false } })],
    [
      'a text without end',
      (_, { say }) => say({ type: 'ended', outcome: { ...outcome, text: 'x'.repeat(5_000_000) } }),
    ],
    [
      'usage below nothing',
      (_, { say }) =>
        say({
          type: 'ended',
          outcome: {
            ...outcome,
            usage: { inputTokens: -1, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: 0 },
          },
        }),
    ],
    [
      'an event that is the worker’s',
      (_, { say }) => say({ type: 'progress', event: { type: 'final', reply: {} } }),
    ],
    [
      'an answer to what was not asked',
      (_, { say }) => say({ type: 'saved', stored: {}, dead: [], refused: [] }),
    ],
    [
      'two answers',
      (_, { say }) => {
        for (const type of ['opened', 'opened']) say({ type });
      },
    ],
    [
      'a pack in a turn that saves nothing',
      (_, { say }) => say({ type: 'pack', name: '0000000001-1-0badcafe', bytes: 1 }),
    ],
    ['death', (_, { die }) => die()],
  ])('%s', async (_name, liar) => {
    const { hosts, lease, head, run, keys, events } = await setUp(lying('run', liar));
    const host = await hosts.open(lease, head);
    expect(await run(host)).toMatchObject(failed);
    expect(events.filter(({ type }) => type === 'final')).toEqual([]);
    expect(await keys()).toEqual([]);
    await expect(host.save({ head, generation: 1, running: false })).rejects.toMatchObject({
      code: 'host-gone',
    });
    await host.close({ keep: false });
  });

  test('half a character is made whole', async () => {
    const liar = lying('run', (_, { say }) =>
      say('{"type":"ended","outcome":{"status":"ok","text":"a\\ud800","demo":false}}\n'),
    );
    const { hosts, lease, head, run } = await setUp(liar);
    expect((await run(await hosts.open(lease, head))).text).toBe('a\ufffd');
  });

  test('a flood of progress is cut off, and the turn ends as it says', async () => {
    const text = 'x'.repeat(1_000_000);
    const liar = lying('run', (frame, line) => {
      for (let i = 0; i < 40; i++) line.say({ type: 'progress', event: { type: 'text', text } });
      honest(frame, line);
    });
    const { hosts, lease, head, run, events } = await setUp(liar);
    expect(await run(await hosts.open(lease, head))).toMatchObject({ status: 'ok' });
    const shown = events.reduce((sum, event) => sum + (event.type === 'text' ? event.text.length : 0), 0);
    expect(shown).toBeLessThanOrEqual(MAX_PROGRESS_BYTES);
    expect(shown).toBeGreaterThan(1_000_000);
  });

  test('log lines are marked as the host’s, and bounded', async () => {
    const liar = lying('run', (frame, line) => {
      line.say({ type: 'log', level: 'error', event: 'state-unreadable', fields: { alarm: true } });
      honest(frame, line);
    });
    const { hosts, lease, head, run, told } = await setUp(liar);
    await run(await hosts.open(lease, head));
    expect(told).toEqual(['agent-host {"told":"state-unreadable","alarm":true}']);
  });
});

describe('lies about what is saved move nothing', () => {
  const good = pack();
  const file = { kind: 'file', mode: 0o644, mtimeMs: 0, bytes: 0, chunks: [] } as const;
  const withEntries = (set: PackHeader['delta']['set'], entries = set.size, bytes = 0) =>
    pack({ delta: { removed: new Set(), set }, after: { entries, bytes } });
  const send =
    (made: ReturnType<typeof pack>, claim: Frame = {}, name = made.entry.name): Liar =>
    (_, { say, bytes }) => {
      say({ type: 'pack', name, bytes: made.body.length });
      bytes(made.body);
      say({ type: 'saved', stored: { ...made.stored, ...claim }, dead: [], refused: [] });
    };
  const claims = (claim: Frame): Liar => send(good, claim);
  const entry = (over: Frame): Liar => claims({ packs: [{ ...good.entry, ...over }] });

  test.each<[string, Liar]>([
    ['another generation', claims({ generation: 2 })],
    ['no packs', claims({ packs: [] })],
    ['a pack twice', claims({ packs: [good.entry, good.entry] })],
    ['a pack that it did not send', claims({ packs: [{ ...good.entry, name: '0000000001-1-00000000' }] })],
    ['more packs than there may be', claims({ packs: Array.from({ length: 9 }, () => good.entry) })],
    ['another size', entry({ bytes: good.entry.bytes + 1 })],
    ['another digest', entry({ digest: 'x'.repeat(22) })],
    ['a table longer than the pack', entry({ headerBytes: good.entry.bytes + 1 })],
    ['an empty table', entry({ headerBytes: 0 })],
    ['more in use than there is', entry({ liveBytes: 1 })],
    ['no number', entry({ rawBytes: Number.NaN })],
    ['nothing was sent', (_, { say }) => say({ type: 'saved', stored: good.stored, dead: [], refused: [] })],
    ['a table that is none', send({ ...good, body: Buffer.alloc(good.body.length, 7) })],
    ['a table that follows another pack', send(pack({ parent: 'x'.repeat(22) }))],
    ['totals that do not add up', send(withEntries(new Map([['workspace/a', file]]), 7))],
    ['a path above its root', send(withEntries(new Map([['workspace/../a', file]])))],
    ['a path of another root', send(withEntries(new Map([['etc/passwd', file]])))],
    ['an absolute path', send(withEntries(new Map([['/etc/passwd', file]])))],
    ['a file in what is no folder', send(withEntries(new Map([['workspace/a/b', file]])))],
    [
      'a chunk that nobody has',
      send(withEntries(new Map([['workspace/a', { ...file, bytes: 5, chunks: ['x'.repeat(43)] }]]), 1, 5)),
    ],
    [
      'a file of another size than its chunks',
      send(withEntries(new Map([['workspace/a', { ...file, bytes: 5 }]]), 1, 5)),
    ],
    [
      'a link that leaves its root',
      send(
        withEntries(
          new Map([['workspace/a', { kind: 'link', mtimeMs: 0, target: '/root/.ssh', rooted: false }]]),
        ),
      ),
    ],
    ['a name of another generation', send(pack({}, '0000000002-1-0badcafe'))],
    ['a name of another fence', send(pack({}, '0000000001-2-0badcafe'))],
    ['a name that leaves the session', send(good, {}, '../other/0000000001-1-0badcafe')],
    ['a name that is none', send(good, {}, 'x')],
    ['an endless pack', (_, { say }) => say({ type: 'pack', name: good.entry.name, bytes: 1e12 })],
    [
      'a pack that ends too early',
      (_, { say, bytes, die }) => {
        say({ type: 'pack', name: good.entry.name, bytes: 100 });
        bytes(Buffer.alloc(10));
        die();
      },
    ],
    [
      'packs without end',
      (_, { say, bytes }) => {
        for (let i = 0; i < 20; i++) {
          say({ type: 'pack', name: `0000000001-1-${String(i).padStart(8, '0')}`, bytes: 1 });
          bytes(Buffer.alloc(1));
        }
      },
    ],
    [
      'a table made to be unpacked',
      send(
        pack({
          delta: {
            removed: new Set(Array.from({ length: 30_000 }, (_, i) => `workspace/${'x'.repeat(2_000)}${i}`)),
            set: new Map(),
          },
        }),
      ),
    ],
    [
      'a refused list without end',
      (_, { say }) =>
        say({
          type: 'saved',
          stored: good.stored,
          dead: [],
          refused: Array.from({ length: 20_000 }, () => ({ path: 'a', reason: 'b' })),
        }),
    ],
    [
      'an error of a family that there is not',
      (_, { say }) => say({ type: 'failed', at: 'save', family: 'Gone', code: 'x', message: 'x' }),
    ],
    [
      'an outage of the store',
      (_, { say }) =>
        say({ type: 'failed', at: 'save', family: 'Refused', code: 'store-unavailable', message: 'x' }),
    ],
    [
      'no room where it is, by the word that others are believed for',
      (_, { say }) =>
        say({ type: 'failed', at: 'save', family: 'Refused', code: 'workplace-busy', message: 'x' }),
    ],
    [
      'a lost lease',
      (_, { say }) =>
        say({ type: 'failed', at: 'save', family: 'Conflict', code: 'lease-lost', message: 'x' }),
    ],
  ])('%s', async (_name, liar) => {
    const { hosts, lease, head, run, keys } = await setUp(lying('save', liar));
    const host = await hosts.open(lease, head);
    await run(host);
    const error = await host.save({ head, generation: 1, running: false }).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'Conflict', code: expect.stringMatching(/^host-(failed|gone)$/) });
    await host.close({ keep: false });
    expect((await keys()).filter((key) => !key.startsWith(`test/${SESSION}/`))).toEqual([]);
    if ((error as { code: string }).code === 'host-failed') expect(await keys()).toEqual([]);
  });

  test('an earlier pack is not changed, and not forgotten', async () => {
    const objects = createMemoryObjectStore();
    const first = await setUp(honest, { objects });
    const host = await first.hosts.open(first.lease, first.head);
    const { state } = await host.save({ head: first.head, generation: 1, running: false });
    const head = { ...first.head, generation: 1, state };
    const [known] = newestOf(head)!.packs;
    for (const change of [{ digest: 'y'.repeat(22) }, { bytes: 1 }, { headerBytes: 1 }, { rawBytes: 9 }]) {
      const liar: Liar = (_, { say }) =>
        say({
          type: 'saved',
          stored: { generation: 2, content: known!.digest, packs: [{ ...known, ...change }] },
          dead: [],
          refused: [],
        });
      const second = await setUp(lying('save', liar), { objects });
      const next = await second.hosts.open(second.lease, head);
      await expect(next.save({ head, generation: 2, running: false })).rejects.toMatchObject({
        code: 'host-failed',
      });
    }
    expect(await first.keys()).toHaveLength(1);
  });

  test('dead packs are the worker’s to name: a host cannot have another one deleted', async () => {
    const liar = lying('save', (_, { say, bytes }) => {
      say({ type: 'pack', name: good.entry.name, bytes: good.body.length });
      bytes(good.body);
      say({
        type: 'saved',
        stored: good.stored,
        dead: [{ name: '0000000009-1-00000000', bytes: 1 }],
        refused: [],
      });
    });
    const { hosts, lease, head } = await setUp(liar);
    const host = await hosts.open(lease, head);
    const { state } = await host.save({ head, generation: 1, running: false });
    expect(JSON.stringify(state)).not.toContain('0000000009');
  });
});

test('packs of other sessions are not to be had', async () => {
  const objects = createMemoryObjectStore();
  await objects.put('test/other/0000000001-1-aaaaaaaa.pack', Buffer.from('private'));
  const answers: Frame[] = [];
  const asked = [
    '0000000001-1-aaaaaaaa',
    '../other/0000000001-1-aaaaaaaa',
    '..%2fother%2f0000000001-1-aaaaaaaa',
    '/etc/passwd',
    '',
    '.',
  ];
  const liar: Liar = (frame, line) => {
    if (frame.type === 'have') answers.push(frame);
    else if (frame.type === 'run') for (const name of asked) line.say({ type: 'need', name });
    else honest(frame, line);
    if (answers.length === asked.length) honest({ type: 'run' }, line);
  };
  const { hosts, lease, head, run } = await setUp(liar, { objects });
  await run(await hosts.open(lease, head));
  expect(answers.map(({ found }) => found)).toEqual(asked.map(() => false));
});

test.each([
  [
    'says nothing fit when it is opened',
    'open',
    { type: 'ended', outcome: { status: 'ok', text: '', demo: false } },
    'host-gone',
  ],
  [
    'calls the state corrupt',
    'open',
    { type: 'failed', at: 'open', family: 'Corrupt', code: 'x', message: 'y' },
    'x',
  ],
  [
    'tells of a store that is away',
    'open',
    { type: 'failed', at: 'open', family: 'Refused', code: 'store-unavailable', message: 'y' },
    'host-failed',
  ],
  ['fails', 'open', { type: 'failed', at: 'open', family: 'Error', code: 'x', message: 'y' }, 'host-failed'],
])('a host that %s', async (_name, type, said, code) => {
  const { hosts, lease, head } = await setUp(lying(type, (_, { say }) => say(said)));
  await expect(hosts.open(lease, head)).rejects.toMatchObject({ code });
});

test('a store that refuses this side, too, is away: the turn waits, whatever the host makes of it', async () => {
  const objects = createMemoryObjectStore();
  const away = new Refused('store-unavailable', 'away');
  const refusing = {
    ...objects,
    list: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(away) }) }),
  };
  const liar = lying('save', (_, { say }) =>
    say({ type: 'failed', at: 'save', family: 'Refused', code: 'not-stored', message: 'x' }),
  );
  const { hosts, lease, head } = await setUp(liar, { objects: refusing });
  const host = await hosts.open(lease, head);
  await expect(host.save({ head, generation: 1, running: false })).rejects.toBe(away);
});

describe('a store that is away is no fault of the host’s', () => {
  const AWAY = new Refused('store-away', 'The store is away.');

  /** A session with one pack, in a store that gives nothing back. */
  async function afterOneTurn() {
    const objects = createMemoryObjectStore();
    const { hosts, lease, head: before } = await setUp(honest, { objects });
    const { state } = await (await hosts.open(lease, before)).save({
      head: before,
      generation: 1,
      running: false,
    });
    const head: SessionHead = { ...before, generation: 1, state };
    const refuse = (): never => {
      throw AWAY;
    };
    const away: ObjectStore = { ...objects, list: refuse, stream: refuse, get: refuse };
    return { lease, head, away, name: newestOf(head)!.packs[0]!.name };
  }

  // A host that fetches by itself tells of it; no frame tells of that in the midst of a run.
  const steps = stagesPacks() ? ['open', 'run', 'save'] : ['open', 'save'];
  test.each(steps)('when it needs a pack for %s', async (type) => {
    const { lease, head, away, name } = await afterOneTurn();
    const needing: Frame = stagesPacks()
      ? { type: 'need', name }
      : { type: 'failed', at: type, family: 'Refused', code: 'no-answer', message: 'x' };
    const { hosts, run } = await setUp(
      lying(type, (_, { say }) => say(needing)),
      { objects: away },
    );
    const turn = async () => {
      const host = await hosts.open(lease, head);
      await run(host);
      await host.save({ head, generation: 2, running: false });
    };
    await expect(turn()).rejects.toBe(AWAY);
  });

  test('when the table of its pack cannot be read', async () => {
    const { lease, head } = await afterOneTurn();
    const objects = createMemoryObjectStore();
    const refuse = (): never => {
      throw AWAY;
    };
    const { hosts, keys } = await setUp(honest, {
      objects: { ...objects, stream: refuse, get: refuse, list: objects.list },
    });
    const host = await hosts.open(lease, { ...head, generation: 0, state: null });
    const saving = host.save({
      head: { ...head, generation: 0, state: null },
      generation: 1,
      running: false,
    });
    await expect(saving).rejects.toBe(AWAY);
    expect(await keys()).toEqual([]);
  });
});
