// `/export` and `/debug` through the real runner: who may, what is in the file, and that no model is asked.
import { readFile } from 'node:fs/promises';
import { strFromU8, unzipSync } from 'fflate';
import { afterEach, expect, test } from 'vitest';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { outgoingFiles } from '../../src/agent/outgoing-files.ts';
import type { AgentOutcome } from '../../src/core/ports/execution.ts';
import { bash, createFixture, EXAMPLE, type Fixture } from './turn-fixture.ts';

const ADMIN = { id: '1', name: 'Ann' };
let fixture: Fixture;
afterEach(() => fixture.close());

async function open(admins: readonly string[] | undefined): Promise<void> {
  const folder = await loadAgentFolder(EXAMPLE);
  const settings = { ...folder.settings, ...(admins && { admins: [...admins] }) };
  fixture = await createFixture({ folder: { ...folder, settings } });
}

async function filesOf(outcome: AgentOutcome): Promise<Record<string, string>> {
  const [file] = await outgoingFiles(fixture.directory.config);
  expect(outcome.sent).toEqual([
    expect.objectContaining({ mediaType: 'application/zip', bytes: file?.bytes }),
  ]);
  const unpacked = unzipSync(await readFile(file?.path ?? ''));
  return Object.fromEntries(Object.entries(unpacked).map(([name, bytes]) => [name, strFromU8(bytes, true)]));
}

const SECRET = `sk-ant-${'x1'.repeat(20)}`;

test('an export holds what was said and the files, without secrets, links or what lies outside', async () => {
  await open(['http/1']);
  await fixture.turn(
    bash(
      `mkdir -p a/b .git; echo "key ${SECRET}" > a/b/notes.txt; echo x > .git/HEAD; printf 'a\\0${SECRET}' > raw.bin; ` +
        'ln -s /etc/passwd link; ln -s /etc linked; mkfifo pipe; head -c 3000000 /dev/zero | tr "\\0" "y" > long.txt; echo made',
    ),
  );
  const asked = fixture.model.requests.length;
  const outcome = await fixture.turn('/export', { sender: ADMIN });
  expect(outcome).toMatchObject({ status: 'ok', text: expect.stringContaining('left-out.txt') });
  expect(fixture.model.requests).toHaveLength(asked);
  const files = await filesOf(outcome);
  expect(files['workspace/a/b/notes.txt']).toBe('key [redacted]\n');
  expect(files['workspace/.git/HEAD']).toBe('x\n');
  expect(files['workspace/raw.bin']).toBe(`a\0${SECRET}`);
  expect(files['workspace/long.txt']).toHaveLength(3_000_000);
  expect(files['left-out.txt']?.trimEnd().split('\n').sort()).toEqual(['link', 'linked', 'pipe']);
  expect(files['conversation.jsonl']).toContain('made');
  expect(files['conversation.jsonl']).not.toContain(SECRET);
  for (const line of files['conversation.jsonl']?.trimEnd().split('\n') ?? []) JSON.parse(line);
  expect(JSON.stringify(files)).not.toContain('root:');
  // The conversation goes on, and the file goes once.
  expect(await fixture.turn('and now?')).toMatchObject({ status: 'ok' });
  expect(await outgoingFiles(fixture.directory.config)).toEqual([]);
});

test('a diagnosis holds no word of what was said', async () => {
  await open(['http/*']);
  await fixture.turn(bash('echo hush-hush > hidden-name.txt; echo hush-hush'));
  const files = await filesOf(await fixture.turn('/debug', { sender: ADMIN }));
  expect(Object.keys(files).sort()).toEqual(['debug.txt', 'transcript-shape.jsonl']);
  expect(JSON.stringify(files)).not.toMatch(/hush|hidden-name|real-key/);
  expect(files['debug.txt']).toContain(`session: ${fixture.lease.sessionId}`);
  const shape =
    files['transcript-shape.jsonl']
      ?.trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)) ?? [];
  const blocks = shape.flatMap((entry) => entry.content ?? []);
  expect(blocks).toContainEqual(expect.objectContaining({ type: 'tool_use', name: 'Bash' }));
});

test.each([
  ['nobody is an admin', undefined, ADMIN],
  ['somebody else is', ['http/2', 'telegram/1'], ADMIN],
  ['nobody tells who speaks', ['http/1'], null],
] as const)('refused: %s', async (_, admins, sender) => {
  await open(admins);
  await fixture.turn('hello');
  for (const text of ['/export', '/debug']) {
    const outcome = await fixture.turn(text, { sender });
    expect(outcome).toMatchObject({ status: 'ok', text: expect.stringContaining('Only admins') });
    expect(outcome.sent).toBeUndefined();
  }
});

test('also before anything was said; with words behind it it is text for the agent', async () => {
  await open(['http/*']);
  expect((await fixture.turn('/export', { sender: ADMIN })).text).toContain('file');
  expect((await fixture.turn('/export everything, please', { sender: ADMIN })).text).toMatch(/^seen/);
});
