// A session comes back on "another machine": another process, over files that were copied away and laid back.
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { bash, call, createFixture, type Fixture } from './turn-fixture.ts';

const run = promisify(execFile);
let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.close());

/** Only `config` and `workspace` travel; everything else of the directory is lost. */
async function moveToAnotherMachine(): Promise<void> {
  const { root, config, workspace } = fixture.directory;
  const store = join(fixture.base, 'store');
  await rm(store, { recursive: true, force: true });
  for (const from of [config, workspace]) {
    const to = join(store, from === config ? 'config' : 'workspace');
    await cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  }
  await fixture.workplace.close(fixture.lease);
  expect(await readdir(fixture.base)).toEqual(['store']);
  await fixture.workplace.open(fixture.lease);
  await cp(join(store, 'config'), config, { recursive: true, preserveTimestamps: true });
  await cp(join(store, 'workspace'), workspace, { recursive: true, preserveTimestamps: true });
  await mkdir(join(root, 'tmp'), { recursive: true });
}

async function turnElsewhere(text: string): Promise<{ status: string; text: string }> {
  const input = {
    root: fixture.directory.root,
    sessionId: fixture.lease.sessionId,
    modelUrl: fixture.model.url,
    text,
  };
  const program = join(import.meta.dirname, 'one-turn.ts');
  const { stdout } = await run(process.execPath, [program, JSON.stringify(input)]);
  return JSON.parse(stdout);
}

test(`${promise('WHOLE', 'NO-AMNESIA')} conversation, shell, subagents, tasks, memory and file checkpoints come back`, async () => {
  const memory = join(fixture.directory.config, 'projects/session/memory/MEMORY.md');
  const first = await fixture.turn(
    bash(`mkdir -p sub && cd sub && export GREETING=$'two\\nlines' && export PATH="$PATH:/extra/bin"`),
  );
  expect(first.status).toBe('ok');
  const second = await fixture.turn(
    call(
      { name: 'Write', input: { file_path: join(fixture.directory.workspace, 'a.txt'), content: 'one\n' } },
      { name: 'Write', input: { file_path: memory, content: 'The cat is called Tom.\n' } },
      { name: 'TaskCreate', input: { subject: 'water the plants', description: 'soon' } },
      {
        name: 'Agent',
        input: { subagent_type: 'reviewer', description: 'look', prompt: bash('echo from-the-subagent') },
      },
    ),
  );
  expect(second.text).toContain('from-the-subagent');
  await fixture.turn(
    call({
      name: 'Edit',
      input: { file_path: join(fixture.directory.workspace, 'a.txt'), old_string: 'one', new_string: 'two' },
    }),
  );

  await moveToAnotherMachine();
  const seenBefore = fixture.model.requests.length;
  const shell = await turnElsewhere(bash('pwd; printf "<%s>\\n" "$GREETING"; echo "$PATH"; cat ../a.txt'));

  expect(shell.status).toBe('ok');
  expect(shell.text).toContain(`${fixture.directory.workspace}/sub\n<two\nlines>\n`);
  expect(shell.text).toContain(':/extra/bin\ntwo');
  const request = JSON.stringify(fixture.model.requests[seenBefore]?.body);
  expect(request).toContain('mkdir -p sub');
  expect(request).toContain('from-the-subagent');
  expect(request).toContain('The cat is called Tom.');
  const tasks = await turnElsewhere(call({ name: 'TaskList', input: {} }));
  expect(tasks.text).toContain('water the plants');

  const { config } = fixture.directory;
  const session = join(config, 'projects/session', fixture.lease.sessionId);
  const subagents = await readdir(join(session, 'subagents'));
  expect(subagents.some((name) => name.endsWith('.jsonl'))).toBe(true);
  const history = join(config, 'file-history', fixture.lease.sessionId);
  const versions = await Promise.all(
    (await readdir(history)).map((name) => readFile(join(history, name), 'utf8')),
  );
  expect(versions).toContain('one\n');
});

test('usage is of this turn, not of the conversation', async () => {
  fixture.model.respondWith(() => ({
    blocks: [{ type: 'text', text: 'short' }],
    usage: { inputTokens: 100, outputTokens: 7, cacheReadTokens: 50, cacheWriteTokens: 30 },
  }));
  const outcome = await fixture.turn('how much?');
  expect(outcome.usage).toMatchObject({
    inputTokens: 100,
    outputTokens: 7,
    cacheReadTokens: 50,
    cacheWriteTokens: 30,
  });
  expect(outcome.usage?.costUsd).toBeGreaterThan(0);
});
