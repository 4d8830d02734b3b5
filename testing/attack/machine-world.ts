// A warm system of one machine with others' secrets in it: two channels, two tenants, a conversation that is over, one
// whose turn runs.
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TenantName, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { executionRoot } from '../../src/local/execution-root.ts';
import { EXAMPLE_AGENT, PACKAGE_ROOT } from '../../src/package-root.ts';
import { createSqliteTenantRegistry, openDatabase } from '../../src/stores/sqlite/index.ts';
import { startLocalSystem } from '../local-system.ts';
import { type FakeTelegram, startFakeTelegram } from '../telegram/fake-telegram.ts';
import { COUNTED, createAttackAgent, LIVE_WORDS, MODEL, VICTIM_WORDS } from './attack-agent.ts';
import type { MachineWorld, ToolCall } from './attack-case.ts';
import { bash, type Closing, canary, openSurroundings, until } from './surroundings.ts';

export const VICTIM = 'victim';
/** Of the tenant that was just served. */
const PERSON = 1001;
const BOT = 7001;
const LIVE = 'live';
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** The environment that the program must be started with: secrets as an owner gives them. */
export function secretEnvironment(): Record<string, string> {
  return {
    ANTHROPIC_API_KEY: canary('modelkey'),
    ACME_BOT_TOKEN: `${BOT}:${canary('bottoken')}`,
    HYBRID_SESSIONS_API_KEY: canary('apikey'),
    AWS_SECRET_ACCESS_KEY: canary('cloudkey'),
  };
}

export async function openMachineWorld(
  mode: 'sandboxed' | 'bare',
  secrets: NodeJS.ProcessEnv,
  folder: string,
  closing: Closing,
): Promise<MachineWorld> {
  const around = await openSurroundings(folder, closing);
  const [cwd, agentFolder] = [join(folder, 'cwd'), join(folder, 'agent')];
  await mkdir(cwd);

  const telegram: FakeTelegram = await startFakeTelegram();
  closing.push(() => telegram.close());
  const bot = telegram.addBot({ token: secrets.ACME_BOT_TOKEN ?? '' });

  await cp(EXAMPLE_AGENT, agentFolder, { recursive: true });
  await rm(join(agentFolder, 'mcp.json'));
  const settings = JSON.parse(await readFile(join(agentFolder, 'settings.json'), 'utf8'));
  settings.tools.allow = settings.tools.allow.filter((tool: string) => !tool.startsWith('mcp__'));
  await writeFile(
    join(agentFolder, 'settings.json'),
    JSON.stringify({
      ...settings,
      model: MODEL,
      sandbox: mode === 'sandboxed' ? 'require' : 'off',
      network: { allow: ['*', `*:${around.servicePort}`] },
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

  const agent = createAttackAgent();
  const system = await startLocalSystem({
    respond: agent.respond,
    agentDir: agentFolder,
    cwd,
    workers: 3,
    env: {
      HOME: around.privateFolder,
      HYBRID_SESSIONS_LOG: 'silent',
      TELEGRAM_API_ROOT: telegram.apiRoot,
      ACME_BOT_TOKEN: secrets.ACME_BOT_TOKEN,
      ANTHROPIC_API_KEY: secrets.ANTHROPIC_API_KEY,
      HYBRID_SESSIONS_API_KEY: secrets.HYBRID_SESSIONS_API_KEY,
    },
  });
  closing.push(() => system.close());
  const turns = await executionRoot(system.dataDir);
  const turn = (chat: string, calls: readonly ToolCall[]) =>
    agent.run(calls, async (words) => {
      const { reply } = await system.say(chat, words);
      return { inputTokens: (reply as { usage?: { input_tokens: number } }).usage?.input_tokens ?? 0 };
    });

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
  await until(agent.isLive, 'the turn that goes on');
  agent.begin();
  const workers = [...system.workerPids()].join();

  return {
    ...{ mode, system, folder, bot, turn },
    privateFolder: around.privateFolder,
    prepare: around.prepare,
    damage: around.damage,
    say: async (chat, text) => (await system.say(chat, text)).reply.text,
    variables: (id) => ({
      ...around.variables(id),
      COUNTED,
      MODEL,
      DATA: system.dataDir,
      AGENT: agentFolder,
      PACKAGE: PACKAGE_ROOT,
      TURNS: turns,
      CWD_OUT: cwd,
      WORKERS: system.workerPids().join(' '),
      API_PORT: new URL(system.url).port,
      MODEL_PORT: String(system.model?.port),
    }),
    calledAddresses: () => around.called,
    modelSaw: () => agent.bodies,
    askedDirectly: () => agent.direct,
    storedBytes: () => sizeOf(join(system.dataDir, 'objects')),
    isCounted: agent.isCounted,
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

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []))
    if (entry.isFile())
      bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size;
  return bytes;
}
