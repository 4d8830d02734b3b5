// The policy by itself: what is allowed, where file tools may reach, what the operator is told.
import { mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AgentFolder, loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { describePolicy, judgeToolCall, type PolicyPlaces } from '../../src/agent/tool-policy.ts';
import { summarizeTool } from '../../src/agent/tool-summary.ts';
import type { Sandbox } from '../../src/host/sandbox/sandbox.ts';
import { EXAMPLE, NO_SANDBOX } from './turn-fixture.ts';

let base: string;
let places: PolicyPlaces;
beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-policy-')));
  places = {
    workspace: join(base, 'work'),
    readable: [join(base, 'skills')],
    writable: [join(base, 'memory')],
  };
  await mkdir(join(base, 'work/sub'), { recursive: true });
  await mkdir(join(base, 'work-too'));
  await symlink(base, join(base, 'work/out'));
  await symlink(join(base, 'work/sub'), join(base, 'work/in'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

const BUBBLEWRAP: Sandbox = {
  kind: 'bubblewrap',
  command: '/usr/bin/bwrap',
  extra: [],
  ownNetwork: true,
  prlimit: '/usr/bin/prlimit',
  setpriv: null,
};

const withSettings = (folder: AgentFolder, settings: Partial<AgentFolder['settings']>): AgentFolder => ({
  ...folder,
  settings: { ...folder.settings, ...settings },
});

const ALL = ['Read', 'Write', 'Edit', 'Glob', 'Grep', 'Bash', 'Agent', 'mcp__dice', 'mcp__box__open'];
const judge = (tool: string, input: object, cwd = places.workspace) =>
  judgeToolCall({ tool, input, cwd }, ALL, places).then((verdict) => verdict.allow);

describe('tools', () => {
  test.each([
    ['Bash', true],
    ['Task', true],
    ['mcp__dice__roll', true],
    ['mcp__box__open', true],
    ['mcp__box__close', false],
    ['mcp__dicey__roll', false],
    ['WebFetch', false],
    ['Bas', false],
    ['', false],
  ])('%s: %s', async (tool, allowed) => {
    expect(await judge(tool, {})).toBe(allowed);
  });

  test('with nothing allowed, everything is refused', async () => {
    const verdict = await judgeToolCall({ tool: 'Bash', input: {}, cwd: base }, [], places);
    expect(verdict).toMatchObject({ allow: false, reason: expect.stringContaining('Allowed tools: none') });
  });
});

describe('files', () => {
  test.each([
    ['a.txt', true],
    ['sub/../a.txt', true],
    ['new/deep/file', true],
    ['in/file', true],
    ['../work-too/a', false],
    ['../a.txt', false],
    ['out/a.txt', false],
    ['out/work/a.txt', true],
    ['/etc/passwd', false],
    ['../skills/x/SKILL.md', false],
    ['../memory/MEMORY.md', true],
  ])('Write %s: %s', async (path, allowed) => {
    expect(await judge('Write', { file_path: path })).toBe(allowed);
    expect(await judge('Edit', { file_path: resolve(places.workspace, path) })).toBe(allowed);
  });

  test('skills may be read, not written; relative paths begin at the shell’s directory', async () => {
    expect(await judge('Read', { file_path: join(base, 'skills/x/SKILL.md') })).toBe(true);
    expect(await judge('Read', { file_path: '../a' }, join(places.workspace, 'sub'))).toBe(true);
    expect(await judge('Read', { file_path: '../../a' }, join(places.workspace, 'sub'))).toBe(false);
    expect(await judge('Read', {}, '/etc')).toBe(false);
  });

  test.each([
    [{ pattern: '**/*.ts' }, true],
    [{ pattern: '../*' }, false],
    [{ pattern: '/etc/*' }, false],
    [{ pattern: 'x', path: '/etc' }, false],
    [{ pattern: '*', path: 'sub' }, true],
  ])('Glob %j: %s', async (input, allowed) => {
    expect(await judge('Glob', input)).toBe(allowed);
  });

  test('Glob with an absolute pattern inside', async () => {
    expect(await judge('Glob', { pattern: `${places.workspace}/**/*.md` })).toBe(true);
    expect(await judge('Glob', { pattern: `${places.workspace}{,-too}/*` })).toBe(false);
  });
});

test('the operator is told in one line what is allowed and what keeps it in', async () => {
  const folder = await loadAgentFolder(EXAMPLE);
  const none = describePolicy(folder, NO_SANDBOX);
  expect(none).toMatch(
    /^Tools: Bash, .*mcp__dice; .*no sandbox \(.*\): commands can read what this user can read\.$/,
  );
  expect(none).not.toContain('\n');
  const walled = describePolicy(withSettings(folder, { network: 'open' }), BUBBLEWRAP);
  expect(walled).toMatch(
    /bubblewrap sandbox: .*shares the network, this machine and its neighbours included\.$/,
  );
  expect(describePolicy(withSettings(folder, { network: 'none' }), BUBBLEWRAP)).toMatch(/no network\.$/);
  const some = withSettings(folder, { network: { allow: ['a.example', '*.b.example', 'c', 'd', 'e', 'f'] } });
  expect(describePolicy(some, BUBBLEWRAP)).toMatch(
    /network: a\.example, \*\.b\.example, c, d, e and 1 more\.$/,
  );
  const off = { ...folder, settings: { ...folder.settings, sandbox: 'off' as const, tools: { allow: [] } } };
  expect(describePolicy(off, BUBBLEWRAP)).toMatch(/^Tools: no tools; .*sandbox off/);
});

test.each([
  ['Bash', { command: 'npm test' }, 'Bash: npm test'],
  ['Bash', { command: 'one\ntwo' }, 'Bash: one…'],
  ['Write', { file_path: '/w/notes.md' }, 'Write notes.md'],
  ['Read', { file_path: '/etc/passwd' }, 'Read /etc/passwd'],
  ['Agent', { subagent_type: 'reviewer', description: 'look' }, 'Subagent reviewer: look'],
  ['Skill', { skill: 'agent:word-count' }, 'Skill word-count'],
  ['mcp__dice__roll', { sides: 6 }, 'dice: roll'],
  ['Novel', null, 'Novel'],
  ['Bash', { command: '🎲'.repeat(200) }, `Bash: ${'🎲'.repeat(56)}…`],
])('a summary: %s %j', (tool, input, summary) => {
  expect(summarizeTool(tool, input, '/w')).toBe(summary);
});
