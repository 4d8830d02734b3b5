// A question in the terminal, the whole way: the real CLI holds the command, the chat asks with numbers, and an answer in
// another process lets it run.
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { emptyFolder, run } from './fixture.ts';

test(`${promise('ASK')} a command waits for a number, which may come from another process`, async () => {
  const cwd = await emptyFolder();
  const agent = join(cwd, 'agent');
  await mkdir(agent);
  await writeFile(join(agent, 'system_prompt.md'), 'You are a test.');
  const settings = { tools: { allow: ['Read'], ask: ['Bash'] }, sandbox: 'off' };
  await writeFile(join(agent, 'settings.json'), JSON.stringify(settings));
  const marks = join(cwd, 'marks');
  await mkdir(marks);
  const command = `touch ${marks}/$(date +%N); echo it-ran`;
  const args = ['chat', 'work', '--agent', agent];

  const first = await run(args, { cwd, input: `run: ${command}\n` });
  expect(first.out).toContain(command);
  expect(first.out).toMatch(/1\. Allow once[\s\S]*4\. Deny and say why/);
  expect(await readdir(marks)).toEqual([]);

  const second = await run(args, { cwd, input: '1\nwhat do you remember?\n' });
  expect([second.code, second.err.replaceAll(/This is the demo model.*\n/g, '')]).toEqual([0, '']);
  expect(second.out).toContain('it-ran');
  expect(await readdir(marks)).toHaveLength(1);

  const third = await run(args, { cwd, input: `run: ${command}\n3 not today\n` });
  // The demo model quotes the beginning of what it was told; why is behind it.
  expect(third.out).toContain('The answer to what you asked the person');
  expect(await readdir(marks)).toHaveLength(1);
});
