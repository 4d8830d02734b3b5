// Packs and heads that somebody else wrote: nothing outside the root is touched, damage is told, nothing half is
// presented as whole.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Corrupt } from '../../src/core/errors.ts';
import type { Json } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { chunkHash } from '../../src/state/chunker.ts';
import { compress, digestOf, encodeHeader, type PackHeader } from '../../src/state/header.ts';
import { encodeRecord, packKey, parseRecord } from '../../src/state/record.ts';
import type { Entry, PatchEntry } from '../../src/state/table.ts';
import { verifyState } from '../../src/state/verify.ts';
import { freshDirectory, randomBytesOf, seeded, type TestSession, testSession } from './fixture.ts';

const PAYLOAD = Buffer.from('owned');
const FILE = { kind: 'file', mode: 0o644, mtimeMs: 0, bytes: 5, chunks: [chunkHash(PAYLOAD)] } as const;
const FOLDER = { kind: 'directory', mode: 0o755, mtimeMs: 0 } as const;
const link = (target: string, rooted = false) => ({ kind: 'link', mtimeMs: 0, target, rooted }) as const;

/** Stores a well-formed pack with these entries, vouched for by the head. */
async function plant(
  session: TestSession,
  set: readonly (readonly [string, Entry | PatchEntry])[],
  more: Partial<PackHeader> = {},
): Promise<void> {
  const stored = compress(PAYLOAD);
  const files = set.filter(([, entry]) => entry.kind === 'file' || entry.kind === 'patch');
  const header = encodeHeader({
    generation: 1,
    parent: null,
    blocks: [{ storedBytes: stored.length, rawBytes: 5, chunks: [{ hash: chunkHash(PAYLOAD), bytes: 5 }] }],
    delta: { removed: new Set(), set: new Map(set) },
    after: {
      entries: set.length,
      bytes: files.reduce((sum, [, entry]) => sum + (entry as typeof FILE).bytes, 0),
    },
    ...more,
  });
  const body = Buffer.concat([header, stored]);
  const name = '0000000001-1-00000000';
  const digest = digestOf(header);
  await session.objects.delete([packKey(session.head, name)]);
  await session.objects.put(packKey(session.head, name), body);
  const pack = { name, bytes: body.length, headerBytes: header.length, digest, rawBytes: 5, liveBytes: 5 };
  const state = encodeRecord({ history: [{ generation: 1, content: digest, packs: [pack] }], garbage: [] });
  session.head = { ...session.head, generation: 1, state };
}

async function restoreInside(session: TestSession): Promise<{ error: unknown; outside: string[] }> {
  const cage = freshDirectory();
  const root = join(cage.root, 'inner');
  mkdirSync(root);
  const directory = freshDirectory(root);
  const error = await session.state.restore(session.head, directory).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  const outside = [...readdirSync(cage.root), ...readdirSync(root), ...readdirSync(cage.workspace)].filter(
    (name) => !['inner', 'config', 'workspace'].includes(name),
  );
  return { error, outside };
}

describe('hostile packs', () => {
  const cases: [string, [string, Entry | PatchEntry][]][] = [
    ['dot dot', [['workspace/../evil', FILE]]],
    [
      'dot dot deep',
      [
        ['workspace/a', FOLDER],
        ['workspace/a/../../evil', FILE],
      ],
    ],
    ['absolute', [['/tmp/evil-from-a-pack', FILE]]],
    ['empty name', [['workspace//evil', FILE]]],
    ['dot', [['workspace/./evil', FILE]]],
    ['root itself', [['workspace', FILE]]],
    ['other root', [['elsewhere/evil', FILE]]],
    ['nul', [['workspace/a\0b', FILE]]],
    ['long name', [[`workspace/${'x'.repeat(256)}`, FILE]]],
    ['long unicode name', [[`workspace/${'ж'.repeat(128)}`, FILE]]],
    ['long path', [...deepFolders(15)]],
    ['high surrogate', [['workspace/\ud800', FILE]]],
    ['a name with two spellings', [['workspace/\udcc3\udca9', FILE]]],
    [
      'through a link',
      [
        ['workspace/l', link('..')],
        ['workspace/l/evil', FILE],
      ],
    ],
    [
      'below a file',
      [
        ['workspace/f', FILE],
        ['workspace/f/evil', FILE],
      ],
    ],
    ['in no folder', [['workspace/none/evil', FILE]]],
    ['link out', [['workspace/l', link('../../etc')]]],
    ['link absolute', [['workspace/l', link('/etc')]]],
    ['link out of a system folder', [['workspace/l', link('/usr/../etc/passwd')]]],
    ['link into a system folder from config', [['config/l', link('/usr/bin/env')]]],
    [
      'link out through a link into a system folder',
      [
        ['workspace/d', link('/usr/share')],
        ['workspace/l', link('d/../../etc')],
      ],
    ],
    ['link rooted out', [['workspace/l', link('../..', true)]]],
    [
      'link through link',
      [
        ['workspace/d', FOLDER],
        ['workspace/d/s', link('.')],
        ['workspace/l', link('d/s/../..')],
      ],
    ],
    ['link with nul', [['workspace/l', link('a\0b')]]],
    ['link too long', [['workspace/l', link('x/'.repeat(3_000))]]],
    ['missing chunk', [['workspace/f', { ...FILE, chunks: [chunkHash(Buffer.from('absent'))] }]]],
    ['wrong size', [['workspace/f', { ...FILE, bytes: 6 }]]],
    ['setuid', [['workspace/f', { ...FILE, mode: 0o4755 }]]],
    [
      'patch of nothing',
      [['workspace/f', { kind: 'patch', mode: 0o644, mtimeMs: 0, bytes: 5, splices: [] }]],
    ],
  ];
  for (const [name, set] of cases) {
    test(`${promise('TENANT', 'NO-AMNESIA')} ${name}: refused as damage, nothing written outside`, async () => {
      const session = testSession();
      await plant(session, set);
      const { error, outside } = await restoreInside(session);
      expect(error).toBeInstanceOf(Corrupt);
      expect(outside).toEqual([]);
      expect(existsSync('/tmp/evil-from-a-pack')).toBe(false);
    });
  }

  test('the same planting with sound entries restores: the cases above fail for their own reason', async () => {
    const session = testSession();
    await plant(session, [
      ['workspace/d', FOLDER],
      ['workspace/d/f', FILE],
      ['workspace/l', link('d/f')],
      ['config/settings.json', FILE],
    ]);
    const { directory } = await session.restore();
    expect(readFileSync(join(directory.workspace, 'l'), 'utf8')).toBe('owned');
    // On the deny-list: never laid in, whoever stored it.
    expect(readdirSync(directory.config)).toEqual([]);
  });

  test('a block that inflates to more than it says, wrong chains and totals are damage', async () => {
    const bomb = compress(Buffer.alloc(50_000_000));
    const block = { storedBytes: bomb.length, rawBytes: 5, chunks: [{ hash: chunkHash(PAYLOAD), bytes: 5 }] };
    for (const more of [
      { blocks: [block] },
      { parent: 'x'.repeat(22) },
      { after: { entries: 7, bytes: 5 } },
      { blocks: [] },
    ]) {
      const session = testSession();
      await plant(session, [['workspace/f', FILE]], more);
      await expect(session.restore()).rejects.toBeInstanceOf(Corrupt);
    }
  });

  test(`${promise('TENANT')} a head cannot name a pack of another session, nor more than eight`, async () => {
    const session = testSession();
    await plant(session, [['workspace/f', FILE]]);
    const text = JSON.stringify(session.head.state);
    const bad = [
      text.replace('0000000001-1-00000000', '../other/0000000001-1-00000000'),
      text.replace('[1,', '[-1,'),
      text.replace('[0]', '[1]'),
      text.replace('[0]', '[0,0,0,0,0,0,0,0,0]'),
      '{}',
      '{"v":2}',
      '[]',
      '"x"',
    ];
    for (const state of bad) {
      expect(state).not.toBe(text);
      session.head = { ...session.head, state: JSON.parse(state) as Json };
      await expect(session.restore(), state).rejects.toBeInstanceOf(Corrupt);
    }
    session.head = { ...session.head, state: null };
    await expect(session.restore()).rejects.toMatchObject({ code: 'corrupt-state' });
    await expect(session.commit(freshDirectory())).rejects.toMatchObject({ code: 'corrupt-state' });
  });

  test('random damage to a header never gets past the reader', async () => {
    const random = seeded(5);
    for (let round = 0; round < 60; round++) {
      const session = testSession();
      const junk = () =>
        String.fromCharCode(...Array.from({ length: 1 + random() * 6 }, () => random() * 0x3000));
      const parts = ['..', '.', '', 'a', junk(), 'workspace', 'config', '\udc80', 'l'];
      const pick = () => parts[Math.floor(random() * parts.length)]!;
      const set: [string, Entry][] = Array.from({ length: 6 }, () => [
        [random() < 0.8 ? 'workspace' : pick(), ...Array.from({ length: 1 + random() * 3 }, pick)].join('/'),
        random() < 0.4 ? FOLDER : random() < 0.5 ? FILE : link(`${pick()}/${pick()}`, random() < 0.3),
      ]);
      const unique = [...new Map(set)];
      await plant(session, unique);
      expect((await restoreInside(session)).outside).toEqual([]);
    }
  });
});

function deepFolders(levels: number): [string, Entry][] {
  const out: [string, Entry][] = [];
  let path = 'workspace';
  for (let i = 0; i < levels; i++) {
    path += `/${'x'.repeat(250)}`;
    out.push([path, FOLDER]);
  }
  return out;
}

describe('damaged packs', () => {
  async function stored(): Promise<{ session: TestSession; key: string; bytes: Buffer; header: number }> {
    const session = testSession();
    const directory = freshDirectory();
    writeFileSync(join(directory.workspace, 'data.bin'), randomBytesOf(seeded(3), 300_000));
    writeFileSync(join(directory.workspace, 'notes.txt'), 'hello');
    await session.commit(directory);
    const pack = parseRecord(session.head.state)!.history[0]!.packs[0]!;
    const key = packKey(session.head, pack.name);
    return { session, key, bytes: Buffer.from(await session.objects.get(key)), header: pack.headerBytes };
  }

  test(`${promise('NO-AMNESIA')} a flipped bit anywhere is found, and the pack is named`, async () => {
    const { session, key, bytes, header } = await stored();
    const places = [0, 4, 5, 8, 12, 16, header - 1, header, header + 100, bytes.length - 1];
    for (const place of places) {
      const damaged = Buffer.from(bytes);
      damaged[place]! ^= 0x10;
      await session.objects.delete([key]);
      await session.objects.put(key, damaged);
      const { error } = await restoreInside(session);
      expect(error, `byte ${place}`).toBeInstanceOf(Corrupt);
      expect((error as Corrupt).data).toEqual({ pack: key });
      if (place > header) expect((error as Corrupt).message).toMatch(/workspace\/(data\.bin|notes\.txt)/);
      const report = await verifyState(session.objects, session.head);
      expect(report.problems).toHaveLength(1);
      expect(report.generations).toEqual([{ generation: 1, restorable: false }]);
    }
  });

  test(`${promise('NO-AMNESIA')} truncated, grown and missing packs are told as such`, async () => {
    const { session, key, bytes, header } = await stored();
    const bodies: [Buffer, string][] = [
      [bytes.subarray(0, 0), 'ends inside its header'],
      [bytes.subarray(0, header - 1), 'ends inside its header'],
      [bytes.subarray(0, header), 'ends inside a block'],
      [bytes.subarray(0, bytes.length - 1), 'ends inside a block'],
      [Buffer.concat([bytes, Buffer.from('x')]), 'bytes follow its last block'],
    ];
    for (const [body, why] of bodies) {
      await session.objects.delete([key]);
      await session.objects.put(key, body);
      await expect(session.restore()).rejects.toThrow(why);
    }
    await session.objects.delete([key]);
    await expect(session.restore()).rejects.toMatchObject({ code: 'missing-pack', data: { pack: key } });
    await expect(session.commit(freshDirectory())).rejects.toMatchObject({ code: 'missing-pack' });
  });

  test('an answer that never came is not called damage', async () => {
    const { session } = await stored();
    const offline = {
      ...session.objects,
      stream: () => failing(),
      get: async () => Promise.reject(new Error('offline')),
    };
    const other = testSession({ objects: offline });
    other.head = session.head;
    await expect(other.restore()).rejects.toThrow('offline');
    await expect(verifyState(offline, session.head)).rejects.toThrow('offline');
  });

  test('compaction never copies damage', async () => {
    const session = testSession();
    const directory = freshDirectory();
    for (let turn = 0; turn < 7; turn++) {
      writeFileSync(join(directory.workspace, `f${turn}`), randomBytesOf(seeded(turn), 300_000));
      await session.commit(directory);
    }
    const before = session.head;
    const pack = parseRecord(before.state)!.history.at(-1)!.packs.at(-1)!;
    const key = packKey(before, pack.name);
    const bytes = Buffer.from(await session.objects.get(key));
    bytes[bytes.length - 50]! ^= 1;
    await session.objects.delete([key]);
    await session.objects.put(key, bytes);
    await expect(session.compact()).rejects.toBeInstanceOf(Corrupt);
    expect(session.head).toBe(before);
  });
});

async function* failing(): AsyncGenerator<Uint8Array> {
  yield await Promise.reject(new Error('offline'));
}
