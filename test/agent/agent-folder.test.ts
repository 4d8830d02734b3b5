// Every fault of an agent folder names the file and the field, and says what to do.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { EXAMPLE } from './turn-fixture.ts';

let base: string;
let folder: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hybrid-folder-'));
  folder = join(base, 'agent');
  await lay({ 'system_prompt.md': 'You are a test.' });
});
afterEach(() => rm(base, { recursive: true, force: true }));

async function lay(files: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
}

const allow = (...tools: string[]) => ({ tools: { allow: tools } });
const skill = (front: string) => `---\n${front}\n---\nDo it.\n`;
// biome-ignore lint/suspicious/noTemplateCurlyInString: the word as people write it in mcp.json.
const KEY = { Authorization: 'Bearer ${vault:github}' };
const agent = { description: 'helps', prompt: 'Help.' };

test('the example folder is sound and has one of each', async () => {
  const example = await loadAgentFolder(EXAMPLE);
  expect(Object.keys(example.agents)).toEqual(['reviewer']);
  expect(example.agents.reviewer?.prompt).toContain('You review');
  expect(example.skills.map((each) => each.name)).toEqual(['word-count']);
  expect(example.mcpServers.dice).toMatchObject({ args: [join(example.path, 'mcp/dice.mjs')] });
});

test('a system prompt is all that is needed, and then nothing is allowed', async () => {
  expect(await loadAgentFolder(folder)).toMatchObject({
    systemPrompt: 'You are a test.',
    agents: {},
    mcpServers: {},
    skills: [],
    settings: { tools: { allow: [] }, sandbox: 'prefer' },
  });
});

test('front matter may be quoted and folded', async () => {
  await lay({
    'skills/one/SKILL.md': skill('name: "one"\ndescription: >\n  Does one thing,\n  and well.'),
  });
  expect((await loadAgentFolder(folder)).skills[0]?.description).toBe('Does one thing, and well.');
});

test.each<[string, Record<string, unknown>, RegExp]>([
  ['an empty system prompt', { 'system_prompt.md': ' \n' }, /^system_prompt\.md: empty/],
  [
    'a rule that is none',
    { 'settings.json': { tools: { allow: [], ask: ['Bash', 'Bash('] } } },
    /^settings\.json: tools\.ask\.1: "Bash\(" is not a rule/,
  ],
  [
    'a rule for a tool that is none',
    { 'settings.json': { tools: { allow: [], ask: ['Bush'] } } },
    /^settings\.json: tools\.ask\.0: "Bush" is not a tool/,
  ],
  [
    'a list of people with a name in it',
    { 'settings.json': { ...allow(), approvals: { approvers: ['ann'] } } },
    /^settings\.json: approvals\.approvers\.0: .*CHANNEL\/ID/,
  ],
  [
    'broken JSON',
    { 'settings.json': '{\n  "tools": {\n    oops\n  }\n}' },
    /^settings\.json: line 3: not JSON/,
  ],
  ['JSON that stops', { 'mcp.json': '{\n "mcpServers": {' }, /^mcp\.json: line 2: not JSON/],
  ['a missing field', { 'settings.json': {} }, /^settings\.json: tools: /],
  ['an unknown field', { 'settings.json': { ...allow(), tols: 1 } }, /^settings\.json: tols: no such field/],
  [
    'a deep unknown field',
    { 'agents.json': { a: { ...agent, tool: [] } } },
    /^agents\.json: a\.tool: no such field/,
  ],
  ['a wrong type', { 'settings.json': { tools: { allow: 'Bash' } } }, /^settings\.json: tools\.allow: /],
  ['a wrong choice', { 'settings.json': { ...allow(), sandbox: 'yes' } }, /^settings\.json: sandbox: /],
  [
    'a tool that is none',
    { 'settings.json': allow('Bash', 'Bsh') },
    /^settings\.json: tools\.allow\.1: "Bsh"/,
  ],
  ['everything allowed', { 'settings.json': allow('*') }, /^settings\.json: tools\.allow\.0: "\*"/],
  ['a server that is none', { 'settings.json': allow('mcp__dice') }, /tools\.allow\.0: .*"dice".*mcp\.json/],
  [
    'permissions by the back door',
    { 'settings.json': { ...allow(), claude: { permissions: {} } } },
    /claude\.permissions/,
  ],
  ['an agent without a prompt', { 'agents.json': { a: { description: 'x' } } }, /^agents\.json: a\.prompt: /],
  [
    'an agent with two',
    { 'agents.json': { a: { ...agent, prompt_file: 'a.md' } } },
    /^agents\.json: a\.prompt: /,
  ],
  [
    'an agent without description',
    { 'agents.json': { a: { prompt: 'x' } } },
    /^agents\.json: a\.description: /,
  ],
  ['an agent with a bad name', { 'agents.json': { 'A b': agent } }, /^agents\.json: A b/],
  [
    'a prompt file that is missing',
    { 'agents.json': { a: { description: 'x', prompt_file: 'no.md' } } },
    /a\.prompt_file: "no\.md" does not exist/,
  ],
  [
    'a prompt file outside',
    { 'agents.json': { a: { description: 'x', prompt_file: '../out.md' } } },
    /a\.prompt_file: .*outside/,
  ],
  [
    'a prompt file through a link',
    { 'agents.json': { a: { description: 'x', prompt_file: 'link/out.md' } } },
    /a\.prompt_file: .*outside/,
  ],
  [
    'an agent that may more',
    { 'agents.json': { a: { ...agent, tools: ['Bash'] } } },
    /^agents\.json: a\.tools: "Bash" is not in tools\.allow/,
  ],
  [
    'a server without command',
    { 'mcp.json': { mcpServers: { a: { args: [] } } } },
    /^mcp\.json: mcpServers\.a/,
  ],
  [
    'a server with a bad url',
    { 'mcp.json': { mcpServers: { a: { type: 'http', url: 'nope' } } } },
    /^mcp\.json: mcpServers\.a\.url: /,
  ],
  ...(
    [
      ['neither HTTP nor HTTPS', { url: 'ftp://a.example/' }, /url: must begin with https/],
      ['a password in a url', { url: 'https://me:pw@a.example/' }, /url: must hold no user/],
      ['a key that would go out unencrypted', { url: 'http://a.example/', headers: KEY }, /url: must begin/],
      ['... to an address', { url: 'http://8.8.8.8/', headers: KEY }, /url: must begin/],
      ['a name that no credential has', { headers: { a: `\${vault:../x}` } }, /headers\.a: "\.\.\/x"/],
      ['a header that is not the owner’s', { headers: { Host: 'b.example' } }, /headers\.Host: may not/],
      ['a header with a line break', { headers: { a: 'b\r\nc: d' } }, /headers\.a: must be visible/],
    ] as const
  ).map(([what, over, words]): [string, Record<string, unknown>, RegExp] => [
    `a remote server with ${what}`,
    { 'mcp.json': { mcpServers: { far: { type: 'http', url: 'https://a.example/', ...over } } } },
    words,
  ]),
  [
    'a stored key for a server beside the agent',
    { 'mcp.json': { mcpServers: { near: { command: 'x', env: KEY } } } },
    /mcpServers\.near: a stored credential/,
  ],
  ['a skill without SKILL.md', { 'skills/one/notes.md': 'x' }, /^skills\/one\/SKILL\.md: missing/],
  [
    'a skill without front matter',
    { 'skills/one/SKILL.md': '# One' },
    /^skills\/one\/SKILL\.md: no front matter/,
  ],
  [
    'a skill without description',
    { 'skills/one/SKILL.md': skill('name: one') },
    /^skills\/one\/SKILL\.md: description: /,
  ],
  [
    'a skill with another name',
    { 'skills/one/SKILL.md': skill('name: two\ndescription: x') },
    /SKILL\.md: name: "two" is not the name of its folder/,
  ],
])('%s', async (_name, files, message) => {
  await writeFile(join(base, 'out.md'), 'outside');
  await symlink(base, join(folder, 'link'));
  await lay(files);
  const error = await loadAgentFolder(folder).catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    name: 'Invalid',
    code: 'bad-agent-folder',
    message: expect.stringMatching(message),
  });
  expect((error as { advice: string }).advice).toMatch(/\w+.*\.$/);
});

test('a missing folder, a file instead, and a folder without a system prompt', async () => {
  const bad = { code: 'bad-agent-folder' };
  await expect(loadAgentFolder(join(base, 'nowhere'))).rejects.toMatchObject(bad);
  await expect(loadAgentFolder(join(folder, 'system_prompt.md'))).rejects.toMatchObject(bad);
  await expect(loadAgentFolder(base)).rejects.toMatchObject({
    ...bad,
    message: 'system_prompt.md: missing.',
  });
});
