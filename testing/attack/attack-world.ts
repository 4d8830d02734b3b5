// A warm system with others' secrets in it, and the machine around it: two channels, two tenants, a conversation that is
// over, one whose turn runs, services that answer with a canary, a private file for each attack to try its hands on.
import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { hostname, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastPromptIndex, type ModelRequest, type ToolResult } from '../../src/agent/model-messages.ts';
import { type TenantName, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { executionRoot } from '../../src/local/execution-root.ts';
import { EXAMPLE_AGENT, PACKAGE_ROOT } from '../../src/package-root.ts';
import { createSqliteTenantRegistry, openDatabase } from '../../src/stores/sqlite/index.ts';
import { startLocalSystem } from '../local-system.ts';
import type { ModelReply } from '../model/scripted-model.ts';
import { type FakeTelegram, startFakeTelegram } from '../telegram/fake-telegram.ts';
import type { AttackWorld, Mode, ToolCall } from './attack-case.ts';

export const MODEL = 'claude-sonnet-4-5';
export const VICTIM = 'victim';
/** Of the tenant that was just served. */
const PERSON = 1001;
const BOT = 7001;
/** Not written out in any script, so that only who finds one can print it. */
export const PATTERN = 'canary-[a-z]+-[0-9a-f]{16}';
const LIVE = 'live';

const canary = (name: string): string => `canary-${name}-${randomBytes(8).toString('hex')}`;

/** The environment that the program must be started with: secrets as an owner gives them. */
export function secretEnvironment(): Record<string, string> {
  return {
    ANTHROPIC_API_KEY: canary('modelkey'),
    ACME_BOT_TOKEN: `${BOT}:${canary('bottoken')}`,
    HYBRID_SESSIONS_API_KEY: canary('apikey'),
    AWS_SECRET_ACCESS_KEY: canary('cloudkey'),
  };
}

export async function openAttackWorld(mode: Mode, secrets: NodeJS.ProcessEnv): Promise<AttackWorld> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-attack-')));
  const closing: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })];
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    return await fill(mode, secrets, folder, closing, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function fill(
  mode: Mode,
  secrets: NodeJS.ProcessEnv,
  folder: string,
  closing: (() => unknown)[],
  close: () => Promise<void>,
): Promise<AttackWorld> {
  const [cwd, privateFolder, agent] = ['cwd', 'private', 'agent'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [cwd, privateFolder, join(privateFolder, '.aws'), join(privateFolder, '.claude')])
    await mkdir(path);
  await writeFile(join(privateFolder, '.aws/credentials'), canary('cloudfile'));
  await writeFile(join(privateFolder, '.claude/.credentials.json'), canary('account'));

  const called: string[] = [];
  const service = createHttpServer((_, response) => response.end(canary('service')));
  const evil = createHttpServer((request, response) => {
    called.push(request.url ?? '');
    response.writeHead(500).end();
  });
  const greet = () => createServer((socket) => socket.on('error', () => {}).end(canary('socket')));
  const abstract = `hybrid-attack-${randomBytes(4).toString('hex')}`;
  const unixSocket = join(privateFolder, 'service.sock');
  const servicePort = await listen(service, { port: 0, host: '0.0.0.0' }, closing);
  const evilPort = await listen(evil, { port: 0, host: '127.0.0.1' }, closing);
  await listen(greet(), { path: `\0${abstract}` }, closing);
  await listen(greet(), { path: unixSocket }, closing);

  const telegram: FakeTelegram = await startFakeTelegram();
  closing.push(() => telegram.close());
  const bot = telegram.addBot({ token: secrets.ACME_BOT_TOKEN ?? '' });

  await cp(EXAMPLE_AGENT, agent, { recursive: true });
  await rm(join(agent, 'mcp.json'));
  const settings = JSON.parse(await readFile(join(agent, 'settings.json'), 'utf8'));
  settings.tools.allow = settings.tools.allow.filter((tool: string) => !tool.startsWith('mcp__'));
  await writeFile(
    join(agent, 'settings.json'),
    JSON.stringify({
      ...settings,
      model: MODEL,
      sandbox: mode === 'sandboxed' ? 'require' : 'off',
      network: { allow: ['*', `*:${servicePort}`] },
      limits: {
        processes: 200,
        memoryBytes: 2 * GIB,
        fileBytes: 64 * MIB,
        openFiles: 1024,
        temporaryBytes: 64 * MIB,
        diskBytes: 512 * MIB,
      },
    }),
  );
  await writeFile(
    join(cwd, 'hybrid-sessions.config.json'),
    JSON.stringify({
      apiKeys: [canary('configkey')],
      workers: 3,
      checkpointEverySec: 1,
      limits: { workspaceBytes: 30_000_000 },
    }),
  );

  const plans = new Map<string, readonly ToolCall[]>();
  const answers = new Map<string, readonly ToolResult[]>();
  const bodies: string[] = [];
  const direct: string[] = [];
  const usages: number[] = [];
  const respond = (request: ModelRequest): ModelReply => {
    const start = lastPromptIndex(request.messages);
    const prompt = request.messages[start]?.text ?? '';
    const plan = /PLAN (\w+)/.exec(prompt)?.[1] ?? '';
    if (!isOfVictim(request)) bodies.push(JSON.stringify(request.raw));
    if (request.messages.length === 1 && !/PLAN|text/.test(prompt)) direct.push(prompt);
    if (prompt === COUNTED)
      return { ...say('counted'), usage: { inputTokens: COUNTED_TOKENS, outputTokens: 1 } };
    if (prompt.includes(LIVE_WORDS)) return liveReply(request, start);
    const calls = plans.get(plan);
    if (!calls) return say(prompt.includes('what is your key') ? 'none' : 'noted');
    const results = request.messages.slice(start + 1).flatMap((message) => message.toolResults);
    answers.set(plan, results);
    const next = calls.slice(results.length);
    return next.length === 0 ? say('done') : { blocks: next.map((call) => ({ type: 'tool_use', ...call })) };
  };
  const system = await startLocalSystem({
    respond,
    agentDir: agent,
    cwd,
    workers: 3,
    env: {
      HOME: privateFolder,
      HYBRID_SESSIONS_LOG: 'silent',
      TELEGRAM_API_ROOT: telegram.apiRoot,
      ACME_BOT_TOKEN: secrets.ACME_BOT_TOKEN,
      ANTHROPIC_API_KEY: secrets.ANTHROPIC_API_KEY,
      HYBRID_SESSIONS_API_KEY: secrets.HYBRID_SESSIONS_API_KEY,
    },
  });
  closing.push(() => system.close());
  const turns = await executionRoot(system.dataDir);

  const turn = async (chat: string, calls: readonly ToolCall[]): Promise<readonly ToolResult[]> => {
    const plan = randomBytes(6).toString('hex');
    plans.set(plan, calls);
    const { reply } = await system.say(chat, `PLAN ${plan}`);
    usages.push((reply as { usage?: { input_tokens: number } }).usage?.input_tokens ?? 0);
    return answers.get(plan) ?? [];
  };

  // Another tenant, through its own bot; another chat; and one whose turn goes on for as long as the attacks do.
  const database = openDatabase(join(system.dataDir, 'sessions.db'));
  closing.push(() => database.close());
  const acme = tenantSettingsSchema.parse({
    bots: [{ channel: 'telegram', bot: String(BOT), secrets: { token: ['env:ACME_BOT_TOKEN'] } }],
    access: { telegram: { users: [String(PERSON)] } },
  });
  await createSqliteTenantRegistry({ database }).add('acme' as TenantName, acme, 'test');
  bot.say(PERSON, `${VICTIM_WORDS} ${canary('tenanttext')}`);
  await until(() => bot.chat(PERSON).botTexts.length > 0, "the other tenant's answer");
  const spoken = canary('chattext');
  await system.say(VICTIM, `${VICTIM_WORDS} ${spoken}`);
  await turn(VICTIM, [
    bash(`echo ${canary('victimfile')} > secret.txt; export SECRET=${canary('variable')}`),
  ]);
  const live = system.say(LIVE, `${LIVE_WORDS} ${canary('livetext')}`).catch(() => null);
  await until(() => bodiesOfLive > 1, 'the turn that goes on');
  bodies.length = 0;
  const workers = [...system.workerPids()].join();

  const variables = (id: string) => ({
    ID: id,
    TARGET: join(privateFolder, `target-${id}`),
    LEFT: `hs-left-${id}-x`,
    MARK: `mark-of-${id}-x`,
    FORBIDDEN: `forbidden-${id}-x`,
    COUNTED,
    PATTERN,
    DATA: system.dataDir,
    AGENT: agent,
    PACKAGE: PACKAGE_ROOT,
    TURNS: turns,
    HOME_OUT: privateFolder,
    CWD_OUT: cwd,
    SERVER: String(process.pid),
    WORKERS: system.workerPids().join(' '),
    API_PORT: new URL(system.url).port,
    MODEL_PORT: String(system.model?.port),
    SERVICE_PORT: String(servicePort),
    ABSTRACT: abstract,
    UNIX_SOCKET: unixSocket,
    EVIL: `http://127.0.0.1:${evilPort}/evil-${id}-x`,
    MACHINE: hostname(),
    MODEL,
    ADDRESSES: Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => address)
      .join(' '),
  });
  const snapshot = async (id: string): Promise<string> => {
    const { TARGET } = variables(id);
    const inside = await readdir(`${TARGET}.d`).catch((error: unknown) => [String(error)]);
    return [await readFile(TARGET, 'latin1').catch(String), ...inside.sort()].join('\n');
  };
  const before = new Map<string, string>();

  return {
    mode,
    system,
    folder,
    privateFolder,
    bot,
    variables,
    turn,
    close,
    async prepare(id) {
      const { TARGET } = variables(id);
      await writeFile(TARGET, `precious ${canary('target')} without a line end`);
      await mkdir(`${TARGET}.d`);
      for (const name of ['settings.json', 'CLAUDE.md', '.credentials.json', 'key.txt'])
        await writeFile(join(`${TARGET}.d`, name), canary('folder'));
      before.set(id, await snapshot(id));
    },
    async damage(id) {
      const now = await snapshot(id);
      return now === before.get(id) ? null : `outside it reads now: ${now.slice(0, 100)}`;
    },
    calledAddresses: () => called,
    modelSaw: () => bodies,
    askedDirectly: () => direct,
    storedBytes: () => sizeOf(join(system.dataDir, 'objects')),
    async isCounted() {
      if (!direct.includes(COUNTED)) throw new Error('The call did not reach the model.');
      return usages.some((tokens) => tokens >= COUNTED_TOKENS);
    },
    async harm() {
      if ([...system.workerPids()].join() !== workers) return 'a worker process died';
      const [file] = await turn(VICTIM, [bash('cat secret.txt; echo "$SECRET"')]);
      if (!/canary-victimfile.*\n.*canary-variable/.test(file?.text ?? ''))
        return `the victim's session is not what it was: ${file?.text}`;
      const chat = await (await system.call(`/v1/chats/${VICTIM}`)).text();
      if (!chat.includes(spoken)) return "the victim's conversation is not what it was";
      if (bot.chat(PERSON).botTexts.length !== 1) return 'somebody spoke to the other tenant';
      void live;
      return null;
    },
  };
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const COUNTED = 'a call that is to be counted';
const COUNTED_TOKENS = 77_777;
const VICTIM_WORDS = 'Keep this to yourself:';
const LIVE_WORDS = 'Work on this for a long time:';
let bodiesOfLive = 0;

const say = (text: string): ModelReply => ({ blocks: [{ type: 'text', text }] });
export const bash = (command: string): ToolCall => ({
  name: 'Bash',
  input: { command, description: 'attack', timeout: 30_000 },
});

function isOfVictim(request: ModelRequest): boolean {
  return request.messages.some(({ text }) => text.includes(VICTIM_WORDS) || text.includes(LIVE_WORDS));
}

/** Writes a file, then speaks on. */
function liveReply(request: ModelRequest, start: number): ModelReply {
  bodiesOfLive += 1;
  if (request.messages.length === start + 1)
    return { blocks: [{ type: 'tool_use', ...bash(`echo ${canary('livefile')} > live-secret.txt`) }] };
  return { ...say('on and on '.repeat(400)), pieceLength: 10, pauseMs: 1_000 };
}

async function listen(server: Server, where: object, closing: (() => unknown)[]): Promise<number> {
  // An attacker need not end what it opened: nobody waits for that.
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where, resolve));
  closing.push(() => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of open) socket.destroy();
    return closed;
  });
  return (server.address() as AddressInfo).port;
}

async function until(look: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !look(); tries += 1) {
    if (tries > 6_000) throw new Error(`Waited in vain for ${what}.`);
    await sleep(10);
  }
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []))
    if (entry.isFile())
      bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size;
  return bytes;
}
