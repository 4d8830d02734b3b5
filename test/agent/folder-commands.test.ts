// Commands that an agent folder adds: which ones are offered, what a message stands for, which folders are refused; and through
// the real CLI, that a fixed answer asks no model and a skill's command reaches the agent as an order to use it.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { folderCommandOf, offeredCommands } from '../../src/agent/folder-commands.ts';
import { offeredCommandsOf } from '../../src/cdk/agent-commands.ts';
import { offeredCommandsSchema } from '../../src/core/offered-commands.ts';
import { createFixture } from './turn-fixture.ts';

const made: string[] = [];
afterEach(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true });
});

async function folderWith(settings: object, skills: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'commands-'));
  made.push(folder);
  const files = {
    'system_prompt.md': 'You help.',
    'settings.json': JSON.stringify({ tools: { allow: ['Skill'] }, ...settings }),
    ...Object.fromEntries(
      Object.entries(skills).map(([name, more]) => [
        `skills/${name}/SKILL.md`,
        `---\nname: ${name}\ndescription: Does ${name}.\n${more}\n---\nDo it.`,
      ]),
    ),
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

const REPLIES = { hours: 'From 9\nto 5.', terms: { text: 'Be kind.', help: 'Our terms' } };
const SKILLS = { 'word-count': 'command: true', quiet: '', never: 'command: false' };

test('replies and marked skills are offered, as a deployment reads them, too', async () => {
  const path = await folderWith({ replies: REPLIES }, SKILLS);
  const offered = offeredCommands(await loadAgentFolder(path));
  expect(offered).toEqual([
    { name: 'hours', help: 'From 9 to 5.' },
    { name: 'terms', help: 'Our terms' },
    { name: 'word_count', help: 'Does word-count.' },
  ]);
  expect(offeredCommandsSchema.parse(JSON.parse(offeredCommandsOf({ '': path })))).toEqual(offered);
  expect(offeredCommandsOf({ '': await folderWith({}) })).toBe('');
  expect(offeredCommandsOf({})).toBe('');
});

test('more than a function’s variables hold is refused before it is deployed', async () => {
  const replies = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`r${at}`, 'x'.repeat(300)]));
  const path = await folderWith({ replies });
  expect(() => offeredCommandsOf({ '': path })).toThrow(/too many commands/);
});

test.each([
  ['/hours', { reply: 'From 9\nto 5.' }],
  [' /Hours@my_bot ', { reply: 'From 9\nto 5.' }],
  ['/terms', { reply: 'Be kind.' }],
  ['/hours of yours', null],
  ['/word_count', { prompt: 'Use your skill `word-count` for this.' }],
  ['/word_count notes.md\nplease', { prompt: 'Use your skill `word-count` for this.\n\nnotes.md\nplease' }],
  ['/word-count', null],
  ['/quiet', null],
  ['/never', null],
  ['/constructor', null],
  ['hours', null],
  ['say /hours', null],
])('%j', async (text, is) => {
  const folder = await loadAgentFolder(await folderWith({ replies: REPLIES }, SKILLS));
  expect(folderCommandOf(folder, text)).toEqual(is);
});

describe('refused', () => {
  test.each([
    ['a name that every chat knows', { replies: { status: 'x' } }, {}, /replies\.status: there is a command/],
    ['a way on', { replies: { compact: 'x' } }, {}, /replies\.compact: there is a command/],
    ['no name', { replies: { 'Opening Hours': 'x' } }, {}, /replies\.Opening Hours: no name/],
    ['twice', { replies: { a_b: 'x' } }, { 'a-b': 'command: true' }, /skill "a-b": there is a command/],
    ['no tool for it', { tools: { allow: [] } }, { a: 'command: true' }, /may not use skills/],
    ['neither true nor false', {}, { a: 'command: perhaps' }, /SKILL\.md: command/],
    ['nothing to say', { replies: { hours: '' } }, {}, /replies/],
  ])('%s', async (_, settings, skills, why) => {
    const path = await folderWith(settings, skills as Record<string, string>);
    await expect(loadAgentFolder(path)).rejects.toThrow(why);
  });
});

test('a fixed answer asks no model, also as the first message; a skill’s command is an order to the agent', async () => {
  const folder = await loadAgentFolder(await folderWith({ replies: REPLIES }, SKILLS));
  const fixture = await createFixture({ folder });
  try {
    expect(await fixture.turn('/hours')).toMatchObject({ status: 'ok', text: 'From 9\nto 5.' });
    expect(fixture.model.requests).toEqual([]);
    expect((await fixture.turn('/word_count notes.md')).status).toBe('ok');
    const asked = JSON.stringify(fixture.model.requests.at(-1)?.body);
    expect(asked).toContain('Use your skill `word-count` for this.\\n\\nnotes.md');
    const before = fixture.model.requests.length;
    expect((await fixture.turn('/terms')).text).toBe('Be kind.');
    expect(fixture.model.requests).toHaveLength(before);
    expect((await fixture.turn('and now?')).status).toBe('ok');
  } finally {
    await fixture.close();
  }
});
