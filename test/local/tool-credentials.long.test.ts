// A whole server with real turns in sandboxed hosts: the agent uses a server at a URL whose key was stored with `vault set`, and
// then looks for the key and for the server's address everywhere a shell can look. It is nowhere: not in the
// environment, the configuration, the memory of the CLI, the transcript, the store or the log.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { promise } from '../../src/core/promises.ts';
import { person } from '../../src/core/vault.ts';
import { openVault } from '../../src/local/vault.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import {
  followLink,
  type OAuthToolServer,
  startOAuthToolServer,
} from '../../testing/tool-server/oauth-server.ts';
import {
  type RemoteToolServer,
  startRemoteToolServer,
  wantsBearer,
} from '../../testing/tool-server/remote-server.ts';
import { bash, call, obey, SANDBOX } from '../agent/turn-fixture.ts';

const KEY = 'ghp_canary0123456789abcdef';
/** Every process that this user may look into, the CLI among them; the key's parts are joined so as not to find themselves. */
const LOOK_INTO_MEMORY = `
  const fs = require('fs'), want = Buffer.from(['ghp', 'canary0123456789'].join('_'));
  let seen = 0;
  for (const pid of fs.readdirSync('/proc').filter((name) => Number(name) && Number(name) !== process.pid)) {
    try {
      const mem = fs.openSync('/proc/' + pid + '/mem');
      for (const line of fs.readFileSync('/proc/' + pid + '/maps', 'utf8').split('\\n')) {
        const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) || [];
        const size = parseInt(to, 16) - parseInt(from, 16);
        if (!from || size > 2 ** 26) continue;
        const bytes = Buffer.alloc(size);
        try { fs.readSync(mem, bytes, 0, size, parseInt(from, 16)); } catch { continue; }
        if (bytes.includes(want)) console.log('found ' + 'it in ' + pid);
      }
      seen++;
    } catch {}
  }
  console.log('looked into ' + seen + ' processes');
`;
let base: string;
let far: RemoteToolServer;
let signedIn: OAuthToolServer;
const user = 'ann@example.com';
let system: TestSystem;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'hybrid-tool-credentials-'));
  far = await startRemoteToolServer({ admit: wantsBearer(KEY) });
  signedIn = await startOAuthToolServer({ user: () => user });
  const agentDir = join(base, 'agent');
  await mkdir(agentDir);
  const files = {
    'system_prompt.md': 'You help.',
    'settings.json': JSON.stringify({
      tools: { allow: ['Bash', 'mcp__github', 'mcp__old', 'mcp__bare', 'mcp__calendar__add'] },
    }),
    'mcp.json': JSON.stringify({
      mcpServers: {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the word as people write it in mcp.json.
        github: { type: 'http', url: far.url, headers: { Authorization: 'Bearer ${vault:github}' } },
        old: {
          type: 'sse',
          url: `${far.origin}/sse`,
          // biome-ignore lint/suspicious/noTemplateCurlyInString: as above.
          headers: { Authorization: 'Bearer ${vault:github}' },
        },
        bare: { type: 'http', url: far.url },
        calendar: { type: 'http', url: signedIn.url, oauth: true },
      },
    }),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(agentDir, name), text);
  const dataDir = join(base, 'data');
  await mkdir(dataDir);
  system = await startLocalSystem({ respond: obey, agentDir, dataDir });
  await openVault(dataDir, null).set({ tenant: DEFAULT_TENANT, person: null, name: 'github' }, KEY);
});
afterAll(async () => {
  await system?.close();
  await far?.close();
  await signedIn?.close();
  await rm(base, { recursive: true, force: true });
});

test('hosts are sandboxed here', () => expect(SANDBOX.kind).toBe('bubblewrap'));

test(`${promise('NO-SECRETS')} tools of a server at a URL work over both transports, and the key is nowhere near the agent`, async () => {
  const { reply } = await system.say(
    'main',
    call(
      { name: 'mcp__github__add', input: { a: 40, b: 2 } },
      { name: 'mcp__old__add', input: { a: 1, b: 2 } },
      { name: 'mcp__github__repeat', input: {} },
    ),
  );
  expect(reply.text).toContain('sum 42\nsum 3\n');
  expect(reply.text).toContain(`authorized with Bearer ${'*'.repeat(KEY.length)}`);
  // One that wants a key and has none says so, and costs no turn its answer.
  expect(reply.text).toContain('“bare” did not start');
  const look = [
    'env; cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n"',
    'grep -rasl "ghp_canary" /tmp /run /etc /dev/shm "$CLAUDE_CONFIG_DIR" 2>/dev/null | grep -v "^/tmp/.*jsonl"',
  ].join('; ');
  const lookIntoMemory = `node - <<'END'\n${LOOK_INTO_MEMORY}\nEND\n`;
  const looked = (await system.say('main', bash(`${look}\n${lookIntoMemory}`))).reply.text;
  expect(looked).toContain('CLAUDE_CONFIG_DIR=');
  expect(looked).toMatch(/looked into [1-9]\d* processes/);
  expect(looked).not.toContain('found it');
  expect(looked).not.toContain(KEY);
  // Nor does its shell reach the server by itself.
  const direct = (await system.say('main', bash(`curl -s -m 3 ${far.origin}/mcp || echo unreachable`))).reply;
  expect(direct.text).toContain('unreachable');
  const found: string[] = [];
  const searched = [...system.model!.requests.map(({ body }) => JSON.stringify(body))];
  for (const name of await readdir(base, { recursive: true })) {
    const bytes = await readFile(join(base, name)).catch(() => null);
    if (bytes?.includes(KEY)) found.push(name);
  }
  expect(searched.length).toBeGreaterThan(5);
  expect(searched.join()).not.toContain(KEY);
  expect(found).toEqual([]);
  expect(
    far.requests.filter(({ headers }) => headers.authorization === `Bearer ${KEY}`).length,
  ).toBeGreaterThan(4);
});

test('a person’s own key is used for what they write, and nobody else’s', async () => {
  const vault = openVault(join(base, 'data'), null);
  await vault.set({ tenant: DEFAULT_TENANT, person: person('http-chat/own'), name: 'github' }, 'another');
  const add = call({ name: 'mcp__github__add', input: { a: 1, b: 1 } });
  const own = await system.say('own', add);
  expect(own.reply.text).toContain('“github” did not start');
  const others = await system.say('others', add);
  expect(others.reply.text).toContain('sum 2');
});

test(`${promise('NO-SECRETS')} a person signs in by the link of a reply; their chat has the tools then, and no other chat has`, async () => {
  const add = call({ name: 'mcp__calendar__add', input: { a: 40, b: 2 } });
  const ask = call({ name: 'mcp__calendar__hybrid_sessions_sign_in', input: {} });
  const linkIn = (text: string) => /(http:\/\/127\.0\.0\.1:\d+\/sign-in\?ticket=\S+)/.exec(text)?.[1] ?? '';
  // A first meeting: the link comes without asking, once.
  const met = (await system.say('ann', 'hello')).reply.text;
  expect(linkIn(met)).not.toBe('');
  expect(linkIn((await system.say('ann', 'hello again')).reply.text)).toBe('');
  const asked = (await system.say('ann', ask)).reply.text;
  const { response } = await followLink(linkIn(asked));
  expect(response.status).toBe(200);
  expect((await system.say('ann', add)).reply.text).toContain('sum 42');
  const token = /Bearer (\S+)/.exec(String(signedIn.requests.at(-1)?.headers.authorization))?.[1] ?? '';
  expect(signedIn.userOf(token)).toBe('ann@example.com');
  // Another person has neither the tool nor the account.
  const before = signedIn.requests.length;
  const other = (await system.say('bob', add)).reply.text;
  expect(other).not.toContain('sum');
  expect(linkIn(other)).not.toBe('');
  expect(signedIn.requests).toHaveLength(before);
  // The link was never shown to a model, nor the token to anybody.
  const seen = system.model!.requests.map(({ body }) => JSON.stringify(body)).join();
  expect(seen).not.toContain('ticket=');
  for (const name of await readdir(base, { recursive: true })) {
    const bytes = await readFile(join(base, name)).catch(() => null);
    expect(bytes?.includes(token) ?? false, name).toBe(false);
  }
});
