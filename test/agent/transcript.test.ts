// Marks in transcripts and the proof that a resumed turn went on from them, over synthetic files.
import { randomUUID } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { continuesFrom, dropTornLine, markTranscript } from '../../src/agent/transcript.ts';
import { promise } from '../../src/core/promises.ts';

let base: string;
let path: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hybrid-transcript-'));
  path = join(base, 't.jsonl');
});
afterEach(() => rm(base, { recursive: true, force: true }));

const lines = (...entries: object[]) => entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
const entry = (parentUuid: string | null, more: object = {}) => ({
  type: 'user',
  uuid: randomUUID() as string,
  parentUuid,
  isSidechain: false,
  cwd: '/w',
  ...more,
});

test('a mark holds size and last directory; subagents do not count', async () => {
  const first = entry(null);
  const side = entry(first.uuid, { isSidechain: true, cwd: '/side' });
  await writeFile(path, lines(first, entry(first.uuid, { cwd: '/w/sub' }), side, { type: 'last-prompt' }));
  const mark = await markTranscript(path);
  expect(mark).toMatchObject({ cwd: '/w/sub' });
  expect(mark?.ids.has(side.uuid)).toBe(false);
});

test('it is found behind a very long entry, and none where there is no conversation', async () => {
  expect(await markTranscript(path)).toBe(null);
  await writeFile(path, lines({ type: 'queue-operation' }));
  expect(await markTranscript(path)).toBe(null);
  const first = entry(null);
  await writeFile(path, lines(first, { type: 'blob', text: 'x'.repeat(3_000_000) }));
  expect((await markTranscript(path))?.ids.has(first.uuid)).toBe(true);
});

test(`${promise('NO-AMNESIA')} a conversation goes on only if it begins as it was and the new hangs on the old`, async () => {
  const first = entry(null);
  const old = lines(first, entry(first.uuid));
  await writeFile(path, old);
  const mark = await markTranscript(path);
  if (!mark) throw new Error('no mark');
  const last = [...mark.ids].at(-1) ?? '';
  const after = async (text: string) => {
    await writeFile(path, text);
    return continuesFrom(path, mark);
  };
  expect(await after(old)).toBe(true);
  expect(await after(old + lines({ type: 'mode' }, entry(last)))).toBe(true);
  expect(await after(old + lines(entry(null, { logicalParentUuid: last })))).toBe(true);
  expect(await after(old + lines(entry(null)))).toBe(false);
  expect(await after(old + lines(entry(randomUUID())))).toBe(false);
  expect(await after(old.slice(0, -10))).toBe(false);
  expect(await after(old.replace('/w', '/v') + lines(entry(last)))).toBe(false);
  await rm(path);
  expect(await continuesFrom(path, mark)).toBe(false);
});

test('a torn last line goes, whole ones stay', async () => {
  const whole = lines(entry(null), entry(null));
  await writeFile(path, whole);
  await dropTornLine(path);
  expect(await readFile(path, 'utf8')).toBe(whole);
  await appendFile(path, `{"type":"user","text":"${'é'.repeat(300_000)}`);
  await dropTornLine(path);
  expect(await readFile(path, 'utf8')).toBe(whole);
  await writeFile(path, '{"only":"a torn');
  await dropTornLine(path);
  expect(await readFile(path, 'utf8')).toBe('');
  await rm(path);
  await dropTornLine(path);
});
