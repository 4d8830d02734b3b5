// From outside: web pages and processes of the machine against the API, people of the chat platform, and the operator's own
// commands over what an agent or a stranger wrote.
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sessionKeyOf, turnIdOf } from '../../src/core/ids.ts';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import type { MachineWorld, OutsideCase } from './attack-case.ts';
import { VICTIM } from './machine-world.ts';
import { bash } from './surroundings.ts';

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** As written: no client puts a path or a header right. */
function send(
  { system }: MachineWorld,
  { method = 'GET', path = '/v1/chats', headers = {}, body }: Sent,
): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(system.url);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { hostname, port, method, path, headers: { connection: 'close', ...headers } },
      (response) => {
        let text = '';
        response.on('data', (piece) => {
          text += piece;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Null when every one of them is refused. */
async function allRefused(world: MachineWorld, requests: readonly Sent[]): Promise<string | null> {
  for (const one of requests) {
    const { status, text } = await send(world, one).catch(() => ({ status: 400, text: '' }));
    if (status < 400 || /canary-/.test(text))
      return `${one.method ?? 'GET'} ${one.path ?? ''} ${JSON.stringify(one.headers ?? {})}: ${status} ${text.slice(0, 80)}`;
  }
  return null;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const MESSAGE = { method: 'POST', path: `/v1/chats/${VICTIM}/messages`, body: '{"text":"hello"}' };
const keyed = ({ system }: MachineWorld) => ({ authorization: `Bearer ${system.key}` });
const hostOf = ({ system }: MachineWorld) => new URL(system.url).host;

/** All that changes or tells something. */
const EVERYTHING: readonly Sent[] = [
  {},
  { path: `/v1/chats/${VICTIM}` },
  { path: '/metrics' },
  { path: '/v1/info' },
  { ...MESSAGE, headers: JSON_TYPE },
  { method: 'POST', path: `/v1/chats/${VICTIM}/new`, headers: JSON_TYPE, body: '{}' },
  { method: 'DELETE', path: `/v1/chats/${VICTIM}` },
];
const everything = (headers: Readonly<Record<string, string>>) =>
  EVERYTHING.map((one) => ({ ...one, headers: { ...one.headers, ...headers } }));

const INLETS: readonly OutsideCase[] = [
  {
    id: 'api-no-key',
    tries: 'read, drive and erase a chat without a key',
    run: (world) => allRefused(world, everything({})),
  },
  {
    id: 'api-wrong-key',
    tries: 'do so with a wrong key, in all places where a key might be read',
    run: (world) =>
      allRefused(world, [
        ...everything({ authorization: `Bearer ${'k'.repeat(43)}` }),
        ...everything({ cookie: `key=${world.system.key}`, 'x-api-key': world.system.key }),
        { path: `/v1/chats?key=${world.system.key}` },
      ]),
  },
  {
    id: 'api-rebinding',
    tries: 'do so from a web page whose own name leads here (DNS rebinding), even with the key',
    run: (world) =>
      allRefused(
        world,
        everything({ host: `evil.example:${new URL(world.system.url).port}`, ...keyed(world) }),
      ),
  },
  {
    id: 'api-foreign-page',
    tries: 'change something from a page of another site, even with the key (CSRF)',
    run: (world) =>
      allRefused(
        world,
        everything({
          origin: 'https://evil.example',
          'sec-fetch-site': 'cross-site',
          ...keyed(world),
        }).filter(({ method }) => method !== undefined),
      ),
  },
  {
    id: 'api-form',
    tries: 'post what a form of a page can post',
    run: (world) =>
      allRefused(
        world,
        ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''].map(
          (type) => ({ ...MESSAGE, headers: { ...(type && { 'content-type': type }), ...keyed(world) } }),
        ),
      ),
  },
  {
    id: 'api-paths',
    tries: 'climb out of the served folders, or around the check of the key',
    run: (world) =>
      allRefused(
        world,
        [
          '/../../etc/passwd',
          '/assets/..%2f..%2fpackage.json',
          '/assets/%2e%2e/%2e%2e/package.json',
          '//v1/chats',
          '/assets/../v1/chats',
          '/v1/%2e/chats',
          '/V1/chats',
          '/v1/chats;x',
          '/assets/app.js%00.txt',
          '/.hybrid-sessions/access-key',
        ].map((path) => ({ path })),
      ),
  },
  {
    id: 'api-names',
    tries: "name other tenants', channels' and bots' conversations by hostile chat names",
    run: (world) =>
      allRefused(
        world,
        [
          '..%2f..%2facme',
          'acme%2Ftelegram%2F7001%2F1001%2F-',
          '%2e%2e',
          'x%00y',
          'x%0d%0ay',
          `${'x'.repeat(500)}`,
          '..',
          'a%2fb',
          '%ff',
          'telegram%3A1001',
        ].map((chat) => ({ path: `/v1/chats/${chat}`, headers: keyed(world) })),
      ),
  },
  {
    id: 'api-other-channel',
    tries: 'read and stop a turn of another channel and tenant by its computed id',
    run: async (world) => {
      const key = sessionKeyOf({
        tenant: 'acme',
        channel: 'telegram',
        bot: String(world.bot.id),
        chat: '1001',
        thread: null,
      });
      const ids = Array.from({ length: 20 }, (_, n) => [
        `${n}`,
        `${world.bot.id}:${n}`,
        `update:${n}`,
        `${world.bot.id}/${n}`,
      ])
        .flat()
        .map((id) => turnIdOf(key, id));
      return (
        (await allRefused(
          world,
          ids.map((id) => ({ path: `/v1/turns/${id}`, headers: keyed(world) })),
        )) ??
        (await allRefused(
          world,
          ids.slice(0, 8).map((id) => ({
            method: 'POST',
            path: `/v1/turns/${id}/stop`,
            headers: { ...JSON_TYPE, ...keyed(world) },
            body: '{}',
          })),
        ))
      );
    },
  },
  {
    id: 'api-headers',
    tries: 'have the server hold headers and addresses without end',
    run: (world) =>
      allRefused(world, [
        { path: `/v1/chats?${'x'.repeat(40_000)}`, headers: keyed(world) },
        {
          headers: {
            ...Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`x-${n}`, 'x'])),
            ...keyed(world),
          },
        },
      ]),
  },
  {
    id: 'api-body',
    tries: 'have the server hold a body without end',
    run: (world) =>
      allRefused(world, [
        {
          ...MESSAGE,
          headers: { ...JSON_TYPE, ...keyed(world) },
          body: JSON.stringify({ text: 'x'.repeat(40_000_000) }),
        },
      ]),
  },
  {
    id: 'api-slow',
    long: true,
    tries: 'hold a connection for ever by sending slowly',
    run: async (world) => {
      const { hostname, port } = new URL(world.system.url);
      const closed = new Promise<null>((resolve) => {
        const socket = connect(Number(port), hostname, () =>
          socket.write(
            `POST ${MESSAGE.path} HTTP/1.1\r\nhost: ${hostOf(world)}\r\nauthorization: Bearer ${world.system.key}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{`,
          ),
        );
        socket
          .on('error', () => resolve(null))
          .on('close', () => resolve(null))
          .resume();
      });
      const late = new Promise<string>((resolve) => setTimeout(resolve, SLOW_MS, 'still open').unref());
      return await Promise.race([closed, late]);
    },
  },
  {
    id: 'api-smuggling',
    tries: 'hide a second request behind the first one',
    run: async (world) => {
      const { hostname, port } = new URL(world.system.url);
      const second = `GET /v1/chats/${VICTIM} HTTP/1.1\r\nhost: ${hostOf(world)}\r\n\r\n`;
      for (const lengths of [
        'Content-Length: 4\r\nTransfer-Encoding: chunked',
        'Content-Length: 4\r\nContent-Length: 5',
        'Transfer-Encoding: xchunked',
      ]) {
        const said = await new Promise<string>((resolve) => {
          let text = '';
          const socket = connect(Number(port), hostname, () =>
            socket.write(
              `POST /v1/chats HTTP/1.1\r\nhost: ${hostOf(world)}\r\n${lengths}\r\n\r\n0\r\n\r\n${second}`,
            ),
          );
          socket.on('data', (piece) => {
            text += piece;
          });
          socket
            .on('error', () => resolve(text))
            .on('close', () => resolve(text))
            .setTimeout(3_000, () => socket.destroy());
        });
        if (/HTTP\/1\.1 2|canary-/.test(said)) return said.slice(0, 100);
      }
      return null;
    },
  },
  {
    id: 'bot-stranger',
    tries: "have the other tenant's bot answer somebody who is not on its list, in private and in a group",
    run: async ({ bot }) => {
      bot.say(2002, 'let me in');
      bot.say(-5005, 'let me in', { from: 2002 });
      bot.say(2002, '/stop');
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      return [...bot.chat(2002).botTexts, ...bot.chat(-5005).botTexts][0] ?? null;
    },
  },
];

/** Longer than the server's own patience with a body. */
const SLOW_MS = 40_000;
const run = promisify(execFile);

/** The operator's command over this system's data. */
async function command({ system, folder, privateFolder }: MachineWorld, ...args: string[]): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: privateFolder, TMPDIR: process.env.TMPDIR, NO_COLOR: '1' };
  const program = [join(PACKAGE_ROOT, 'bin/hybrid-sessions.mjs'), ...args, '--data', system.dataDir];
  return await run(process.execPath, program, { cwd: folder, env, timeout: 60_000 }).then(
    ({ stdout }) => stdout,
    (error: { stderr?: string }) => `refused: ${error.stderr}`,
  );
}

/** An export of a small chat that a stranger changed, taken in; what its agent then finds. */
async function importOf(
  world: MachineWorld,
  name: string,
  spoil: (folder: string, target: string) => Promise<void>,
  look: string,
): Promise<string | null> {
  const target = join(world.privateFolder, `import-${name}`);
  await mkdir(target);
  await writeFile(join(target, 'key.txt'), await readFile(join(world.privateFolder, '.aws/credentials')));
  const chat = `import-${name}`;
  await world.turn(chat, [bash('echo mine > mine.txt')]);
  const folder = join(world.folder, chat);
  const said = await command(world, 'sessions', 'export', chat, folder);
  if (said.startsWith('refused')) throw new Error(said);
  await world.system.call(`/v1/chats/${chat}`, { method: 'DELETE' });
  await spoil(folder, target);
  const took = await command(world, 'sessions', 'import', folder);
  if (took.startsWith('refused')) return null;
  const [seen] = await world.turn(chat, [bash(look)]);
  return /canary-/.test(seen?.text ?? '') ? `${took.trim()}; ${seen?.text}` : null;
}

const replace = (part: string) => async (folder: string, target: string) => {
  await rm(join(folder, part), { recursive: true, force: true });
  await symlink(target, join(folder, part));
};

const ARCHIVES: readonly OutsideCase[] = [
  {
    id: 'import-workspace-link',
    long: true,
    tries: "have `sessions import` take in the operator's files by a link in the place of the workspace",
    run: (world) => importOf(world, 'workspace', replace('workspace'), 'cat *'),
  },
  {
    id: 'import-config-link',
    long: true,
    tries: 'have it take them in by a link in the place of the configuration',
    run: (world) => importOf(world, 'config', replace('config'), 'cat "$CLAUDE_CONFIG_DIR"/*'),
  },
  {
    id: 'import-links-inside',
    tries: 'have it take them in by links inside the workspace',
    run: (world) =>
      importOf(
        world,
        'inside',
        async (folder, target) => {
          await symlink(target, join(folder, 'workspace/d'));
          await symlink(join(target, 'key.txt'), join(folder, 'workspace/f'));
          await symlink(join(target, 'key.txt'), join(folder, 'config/f'));
        },
        'cat d/* f "$CLAUDE_CONFIG_DIR/f"',
      ),
  },
  {
    id: 'import-other-tenant',
    long: true,
    tries: "have an import become another tenant's conversation by what its manifest says",
    run: async (world) => {
      await importOf(
        world,
        'tenant',
        async (folder) => {
          const file = join(folder, 'session.json');
          const manifest = JSON.parse(await readFile(file, 'utf8'));
          manifest.conversation = {
            ...manifest.conversation,
            tenant: 'acme',
            channel: 'telegram',
            bot: '7001',
            chat: '2002',
          };
          await writeFile(file, JSON.stringify(manifest));
        },
        'true',
      );
      const listed = await command(world, 'sessions', 'list', '--tenant', 'acme', '--json');
      if (listed.startsWith('refused')) throw new Error(listed);
      return /2002/.test(listed) ? listed.slice(0, 200) : null;
    },
  },
  {
    id: 'import-climbing-id',
    long: true,
    tries: 'write outside by an id in the manifest that climbs out',
    run: (world) =>
      importOf(
        world,
        'climbing',
        async (folder) => {
          const file = join(folder, 'session.json');
          await writeFile(
            file,
            (await readFile(file, 'utf8')).replace(
              /"session_id": "[^"]+"/,
              '"session_id": "../../../../../../planted-by-import-----------"',
            ),
          );
        },
        'true',
      ),
  },
  {
    id: 'export-links',
    tries: "have `sessions export` copy the operator's files by links that an agent left",
    run: async (world) => {
      const target = join(world.privateFolder, '.aws/credentials');
      await world.turn('export-links', [
        bash(
          `ln -s ${target} f; ln -s ${world.privateFolder} d; T=$(ls "$CLAUDE_CONFIG_DIR"/projects/*/*.jsonl | head -1); mkdir -p "$CLAUDE_CONFIG_DIR/debug" "$CLAUDE_CONFIG_DIR/tasks"; S=$(basename "$T" .jsonl); ln -s ${target} "$CLAUDE_CONFIG_DIR/debug/$S.txt"; ln -s ${world.privateFolder}/.aws "$CLAUDE_CONFIG_DIR/tasks/$S"`,
        ),
      ]);
      const folder = join(world.folder, 'export-links');
      await command(world, 'sessions', 'export', 'export-links', folder);
      const copy = join(world.folder, 'export-links-copy');
      await cp(folder, copy, { recursive: true, verbatimSymlinks: true }).catch(() => {});
      const found = await run('grep', ['-rlE', 'canary-(cloudfile|account)', copy]).then(
        ({ stdout }) => stdout,
        () => '',
      );
      return found === '' ? null : found;
    },
  },
  {
    id: 'export-blocked',
    long: true,
    tries: 'keep the operator from exporting its session by a broken task file',
    run: async (world) => {
      await world.turn('export-blocked', [
        bash(
          'T=$(ls "$CLAUDE_CONFIG_DIR"/projects/*/*.jsonl | head -1); S=$(basename "$T" .jsonl); mkdir -p "$CLAUDE_CONFIG_DIR/tasks/$S"; echo garbage > "$CLAUDE_CONFIG_DIR/tasks/$S/1.json"',
        ),
      ]);
      const said = await command(
        world,
        'sessions',
        'export',
        'export-blocked',
        join(world.folder, 'export-blocked'),
      );
      return said.startsWith('refused') ? said : null;
    },
  },
];

export const OUTSIDE_CASES = [
  ...INLETS.map((one) => ({ ...one, kind: 'inlets' })),
  ...ARCHIVES.map((one) => ({ ...one, kind: 'archives' })),
];
