// A whole local system: stores, workers, channels, the sweep. `openLocalSystem` returns it to a program; `startSystem`
// also serves it on a port. Wrong settings and missing parts are found before the first message is taken.
import { join } from 'node:path';
import { loadAgentFolder, serverListOf, toolsOf } from '../agent/agent-folder.ts';
import { offeredCommands } from '../agent/folder-commands.ts';
import { timeZoneOf } from '../agent/time-zone.ts';
import { describePolicy, sandboxNotice } from '../agent/tool-policy.ts';
import { isLoopbackHost } from '../api/guard.ts';
import { eitherPage, servePageFrom, serveWidgetFrom } from '../api/static.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { CHANNELS } from '../channels/index.ts';
import { withOwnChannels } from '../channels/own-channels.ts';
import { createAdmission } from '../core/admission.ts';
import { systemClock } from '../core/clock.ts';
import { Invalid } from '../core/errors.ts';
import { limitsWithin } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { createScheduling, type SchedulingDeps } from '../core/scheduling.ts';
import { startSweep } from '../core/sweep.ts';
import { runWakeUps } from '../core/wake-ups.ts';
import { detectSandbox } from '../host/sandbox/index.ts';
import { PACKAGE_ROOT, packageVersion, WIDGET_FOLDER } from '../package-root.ts';
import { storedBytes } from '../state/record.ts';
import { createWorkspaceReader } from '../state/workspace-reader.ts';
import { createSystem } from '../system/create-system.ts';
import type { System } from '../system/system.ts';
import { createTenantDirectory } from '../tenants/directory.ts';
import { createCallers } from '../tenants/user-tokens.ts';
import { createSignInPages } from '../tool-servers/sign-in/sign-in-pages.ts';
import { loadTriggers } from '../triggers/trigger-file.ts';
import { startDeliveries } from '../webhooks/start-deliveries.ts';
import { webhookAddresses } from '../webhooks/webhook-address.ts';
import { openAccessKey } from './access-key.ts';
import { startTenantInlets } from './bot-inlets.ts';
import { startInlets } from './channels.ts';
import type { Configuration, Environment } from './configuration.ts';
import { openDataFolder } from './data-folder.ts';
import { createFileTransfers } from './file-transfers.ts';
import { listen } from './listen.ts';
import { createLogLines } from './log-lines.ts';
import { createMetrics } from './metrics.ts';
import { describeModel } from './model-choice.ts';
import { openSecrets } from './secret-sources.ts';
import { openStores } from './stores.ts';
import { startWorkers } from './supervisor.ts';
import { createWaitingTurns } from './waiting-turns.ts';

export interface LocalSystemOptions {
  /** The program's environment. Workers get only the variables that supervisor.ts lists. */
  readonly env: Environment;
  readonly log?: Log;
  /** API keys that `fetch` accepts; without any, no key is required: only for a program that checks by itself. */
  readonly apiKeys: readonly string[];
  /** Host names that `fetch` accepts in addition to loopback names; null accepts any. */
  readonly knownHosts: readonly string[] | null;
  /** Whether `fetch` serves the chat page, too. */
  readonly page: boolean;
  /** The channels to know, besides those of modules; the worker's program must know the same ones. @default those of this package */
  readonly channels?: readonly ChannelDescriptor[];
  /** A program that calls `runWorkerProcess`. @default the one that knows this package's channels */
  readonly workerProgram?: URL;
}

export interface LocalSystem extends System {
  /** Lines for the operator: model, tools, data folder. */
  readonly lines: readonly (readonly [name: string, text: string])[];
  workerPids(): readonly number[];
}

/** A system with its own HTTP server. */
export interface StartedSystem extends LocalSystem {
  readonly url: string;
  /** A key that its API takes: the one in the data folder. */
  readonly key: string;
}

/** How long a running turn may go on by itself before it is saved, for the next start to continue. */
const GRACE_MS = 2_000;

export async function openLocalSystem(
  configuration: Configuration,
  options: LocalSystemOptions,
): Promise<LocalSystem> {
  const { env, log = logLines(configuration) } = options;
  const { agentDir, model } = configuration;
  const folder = await loadAgentFolder(agentDir);
  const sandbox = await detectSandbox();
  const notice = sandboxNotice(folder, sandbox);
  if (notice !== null) log('warn', 'no-full-sandbox', { notice });
  const ending = new AbortController();
  const ends: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const stores = await openStores(configuration, { create: true });
    ends.push(() => stores.close());
    const directory = createTenantDirectory(stores.tenants, systemClock);
    const { standing, retentionOf } = directory;
    const secrets = openSecrets((name) => env[name]);
    const admit = createAdmission({
      places: stores.places,
      limitsOf: async (tenant) =>
        limitsWithin((await directory.of(tenant))?.settings.limits ?? null, configuration.messageLimits),
      bytesOf: storedBytes,
      clock: systemClock,
    });
    const timeZone = timeZoneOf(folder.settings);
    const waiting = createWaitingTurns(() => systemClock.now());
    let workerPids: () => readonly number[] = () => [];
    const metrics = createMetrics({ queue: stores.queue, waiting, workers: () => workerPids().length });
    const { idle, ...system } = createSystem({
      ...stores,
      transfers: createFileTransfers(stores.objects),
      workspace: createWorkspaceReader(stores),
      standing,
      retentionOf,
      admit,
      whileRunning: configuration.whileRunning,
      timeZone,
      waiting: waiting.list,
      metrics,
      ending: ending.signal,
      clock: systemClock,
      log,
      info: {
        name: 'hybrid-sessions',
        version: packageVersion(),
        model: { demo: model.kind === 'demo', name: modelName(configuration) },
        sandbox: folder.settings.sandbox === 'off' ? 'none' : sandbox.kind,
        ...(notice !== null && { notice }),
        tools: toolsOf(folder.settings),
        workers: configuration.workers,
      },
      apiKeys: options.apiKeys,
      ownerOf: createCallers({ users: configuration.browsers.users, directory, secrets }),
      origins: configuration.browsers.origins,
      knownHosts: options.knownHosts,
      triggers: { list: loadTriggers(agentDir), secret: (reference) => secrets.read(reference) },
      webhookFaultOf: webhookAddresses(configuration.webhooks.privateAddresses).faultOf,
      widget: serveWidgetFrom(WIDGET_FOLDER),
      page: options.page
        ? eitherPage(servePageFrom(join(PACKAGE_ROOT, 'web')), serveWidgetFrom(WIDGET_FOLDER))
        : serveWidgetFrom(WIDGET_FOLDER),
    });
    const { workerProgram } = options;
    const channels = withOwnChannels(options.channels ?? CHANNELS, configuration.channelModules);
    // This waits for the workers: a caller that waits for a turn which ends within its grace time gets the answer.
    ends.push(async () => {
      ending.abort();
      await idle();
    });
    let graceMs = GRACE_MS;
    const program = workerProgram === undefined ? {} : { program: workerProgram };
    const workers = await startWorkers({
      configuration,
      sandbox,
      env,
      log,
      ...program,
      onNote(note) {
        waiting.take(note);
        metrics.take(note);
      },
      onRestart: metrics.workerRestarted,
    });
    workerPids = workers.pids;
    ends.push(() => workers.stop(graceMs));
    const { deadLetters } = stores.queue;
    const setAside = { deadLetters, retentionSec: configuration.retentionSec, retentionOf };
    const sweep = startSweep({ ...stores, setAside }, log);
    ends.push(() => sweep.stop());
    const accepting = {
      ...stores,
      standing,
      retentionOf,
      admit,
      whileRunning: configuration.whileRunning,
      commands: offeredCommands(folder),
      retentionSec: configuration.retentionSec,
      log,
    };
    const wakeUps = startWakeUps({ ...stores, standing, retentionOf, clock: systemClock, log, timeZone });
    ends.push(() => wakeUps.stop());
    const deliveries = startDeliveries({ ...stores, ...configuration.webhooks, clock: systemClock, log });
    ends.push(() => deliveries.stop());
    const inlets = startInlets(channels, configuration.channels, accepting);
    ends.push(() => inlets.stop());
    const bots = startTenantInlets(channels, {
      registry: stores.tenants,
      directory,
      inlets: accepting,
      secrets,
      configurationOf: ({ name }) => configuration.channelConfiguration[name] ?? {},
      log,
    });
    ends.push(() => bots.stop());
    const signIn =
      configuration.publicUrl === null
        ? null
        : createSignInPages({
            vault: stores.vault,
            list: serverListOf(folder),
            publicUrl: configuration.publicUrl,
            clock: systemClock,
            log,
          });
    ends.push(async () => signIn?.close());
    return {
      ...system,
      fetch: (request) =>
        inlets.fetch(request) ?? bots.fetch(request) ?? signIn?.fetch(request) ?? system.fetch(request),
      lines: [
        [
          'model',
          describeModel(model) + (model.kind === 'demo' ? ' (set ANTHROPIC_API_KEY for Claude)' : ''),
        ],
        ['tools', describePolicy(folder, sandbox).replace(/^Tools: |\.$/g, '')],
        [
          'agent',
          configuration.agentIsExample
            ? 'the example, which may run commands; there is no ./agent here (`hybrid-sessions init` makes one)'
            : agentDir,
        ],
        ['data', configuration.dataDir],
        ...inlets.lines,
      ],
      workerPids: workers.pids,
      async close(grace = GRACE_MS) {
        graceMs = grace;
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Opens the system and serves its HTTP API and the chat page on a port. The API always wants a key: one of the settings,
 * or the data folder's own.
 */
export async function startSystem(
  configuration: Configuration,
  options: Omit<LocalSystemOptions, 'apiKeys' | 'knownHosts' | 'page'>,
): Promise<StartedSystem> {
  const { host, port, apiKeys } = configuration;
  if (!isLoopbackHost(host) && apiKeys.length === 0) {
    throw new Invalid(
      'key-required',
      `Listening on ${host} lets other machines in, and no bearer key is set.`,
      {
        advice: 'Set HYBRID_SESSIONS_API_KEY to at least 16 characters, or leave HOST out.',
      },
    );
  }
  // A taken port is reported before anything is started.
  const system = Promise.withResolvers<LocalSystem>();
  system.promise.catch(() => {});
  const server = await listen(async (request) => (await system.promise).fetch(request), host, port);
  try {
    await openDataFolder(configuration.dataDir);
    const key = await openAccessKey(configuration.dataDir);
    const reached = { ...configuration, publicUrl: configuration.publicUrl ?? server.url };
    const opened = await openLocalSystem(reached, {
      ...options,
      apiKeys: [...apiKeys, key],
      knownHosts: isLoopbackHost(host) ? [] : null,
      page: true,
    });
    system.resolve(opened);
    return {
      ...opened,
      url: server.url,
      key,
      async close(graceMs) {
        await opened.close(graceMs);
        await server.stop();
      },
    };
  } catch (error) {
    system.reject(error);
    await server.stop();
    throw error;
  }
}

function modelName({ model }: Configuration): string {
  return model.name ?? (model.kind === 'bedrock' ? 'Claude on Amazon Bedrock' : 'Claude');
}

function logLines(configuration: Configuration): Log {
  return createLogLines({
    threshold: configuration.logLevel,
    terminal: process.stderr.isTTY === true,
    write: (line) => void process.stderr.write(line),
    now: () => systemClock.now(),
  });
}

/** Fires what is due, from here on. */
function startWakeUps(deps: SchedulingDeps): { stop(): Promise<void> } {
  const { due } = deps.schedules;
  const stopping = new AbortController();
  const running = due && runWakeUps({ ...deps, scheduling: createScheduling(deps), due }, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
