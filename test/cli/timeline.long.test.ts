// `sessions undo|redo|fork` on a stored session, and what the next chat then knows.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TimelineView } from '../../src/api/timeline-view.ts';
import { detectSandbox } from '../../src/host/sandbox/index.ts';
import { emptyFolder, type Ran, run as runIn } from './fixture.ts';

test('an operator undoes, brings back and forks, after having been told what', async () => {
  const cwd = await emptyFolder();
  const run = (args: readonly string[]): Promise<Ran> => runIn(args, { cwd });
  const json = async (args: readonly string[]) => JSON.parse((await run([...args, '--json'])).out);
  await run(['chat', 'main', '--once', 'remember the colour is teal']);
  await run(['chat', 'main', '--once', 'remember the animal is an otter']);

  const asked = await run(['sessions', 'undo', 'cli-main']);
  expect(asked.code).not.toBe(0);
  expect(asked.err).toContain('--yes');
  const tooMany = await run(['sessions', 'undo', 'cli-main', '3', '--yes']);
  expect(tooMany).toMatchObject({ code: 5, err: expect.stringContaining('the last 2 turns, not more') });
  expect(await json(['sessions', 'undo', 'cli-main', '2', '--yes'])).toMatchObject({
    generation: 3,
    turns: [{ text: 'remember the animal is an otter' }, { text: 'remember the colour is teal' }],
  });
  expect((await run(['sessions', 'redo', 'cli-main', '--yes'])).out).toContain(
    'Back again: “remember the animal',
  );
  expect((await run(['sessions', 'fork', 'cli-main', 'cli-copy'])).out).toContain('Forked to “cli-copy”');
  expect((await run(['sessions', 'fork', 'cli-main', 'cli-copy'])).err).toContain('is here already');
  await run(['sessions', 'undo', 'cli-main', '--yes']);

  const here = await run(['chat', 'main', '--once', 'what do you remember?']);
  expect(here.out).toContain('teal');
  expect(here.out).not.toContain('otter');
  expect((await run(['chat', 'copy', '--once', 'what do you remember?'])).out).toContain('otter');

  // Erased by itself, with nothing of the other one.
  expect((await run(['sessions', 'erase', 'cli-main', '--yes'])).out).toContain('0 objects');
  expect((await run(['sessions', 'verify', '--all'])).code).toBe(0);
  const exported = await run(['sessions', 'export', 'cli-copy', 'out']);
  expect(exported.code).toBe(0);
  await run(['sessions', 'erase', 'cli-copy', '--yes']);
  expect((await run(['sessions', 'import', 'out', '--chat', 'cli-back'])).code).toBe(0);
  expect((await run(['chat', 'back', '--once', 'what do you remember?'])).out).toContain('otter');
});

test('the cost is calculated from turns that ran', async () => {
  const cwd = await emptyFolder();
  const run = (args: readonly string[]): Promise<Ran> => runIn(args, { cwd });
  await run(['chat', 'main', '--once', 'remember the colour is teal']);
  const listed = await run(['turns', 'list', 'cli-main', '--json']);
  const [turn] = (JSON.parse(listed.out) as { turns: { timeline: TimelineView }[] }).turns;
  // Without a sandbox nobody looks at a host from outside.
  const seen = turn?.timeline.host?.peak_memory_bytes;
  if ((await detectSandbox()).kind === 'bubblewrap') expect(seen).toBeGreaterThan(50_000_000);
  else expect(seen).toBeUndefined();
  writeFileSync(join(cwd, 'turns.json'), listed.out);
  const cost = await run(['cost', '--measured', 'turns.json']);
  expect(cost).toMatchObject({ code: 0, out: expect.stringContaining('Measured in 1 turn:') });
  const json = JSON.parse((await run(['cost', '--measured', 'turns.json', '--json'])).out);
  expect(json).toMatchObject({ measured_turns: 1, usage: { hotRate: 0 } });
  expect(json.usage.secondsPerTurn).toBeGreaterThan(0);
  writeFileSync(join(cwd, 'none.json'), '{"turns":[]}\nno json\n');
  const none = await run(['cost', '--measured', 'none.json']);
  expect(none).toMatchObject({ code: 2, err: expect.stringContaining('turns list CHAT --json') });
});
