// Settings of a local system. Addresses, folders and accounts come from the environment, the rest from one JSON file.
// They are read once, when a program starts; all other code gets values. docs/configuration.md lists each setting, and
// a test checks that it does.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { CHANNELS } from '../channels/index.ts';
import { locateModules, withOwnChannels } from '../channels/own-channels.ts';
import {
  type ChannelsSettings,
  channelConfiguration,
  fileSections,
  readChannelSettings,
} from '../channels/settings.ts';
import { type BrowserAccess, browserAccessSchema } from '../core/browser-access.ts';
import {
  CHECKPOINT_EVERY_SEC,
  DAY_SEC,
  HOT_IDLE_MINUTES,
  HOT_MEMORY_MB,
  HOT_SESSIONS,
  KEPT_GENERATIONS,
  RETENTION_DAYS,
  TURNS_AT_ONCE,
  WORKERS,
  WORKSPACE_LIMITS,
} from '../core/defaults.ts';
import { Invalid } from '../core/errors.ts';
import type { MessageLimits } from '../core/limits.ts';
import type { StateLimits } from '../core/ports.ts';
import { messageLimitFields } from '../core/tenants.ts';
import { type WebhookSettings, webhookSettingsSchema } from '../core/webhooks.ts';
import { type WhileRunning, whileRunningSchema } from '../core/while-running.ts';
import { type Budgets, budgetsSchema } from '../gateway/budgets.ts';
import { type ModelPrices, pricesSchema } from '../gateway/prices.ts';
import type { HotLimits } from '../host/hot-hosts.ts';
import { EXAMPLE_AGENT } from '../package-root.ts';
import { settingFault } from '../setting-fault.ts';
import { otlpFrom } from '../telemetry/otlp-settings.ts';
import type { OtlpSettings } from '../telemetry/otlp-traces.ts';
import { type TranscriberSettings, transcriberSchema } from '../transcribers/settings.ts';
import { type ModelChoice, modelFrom } from './model-choice.ts';
import { VAULT_KEY_SHAPE } from './vault.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export const CONFIG_FILE = 'hybrid-sessions.config.json';

const ownFields = {
  /** The JSON schema, for editors. It has no other use. */
  $schema: z.string().optional(),
  /** Modules with channels that this package does not bring. Relative to this file. */
  channelModules: z.array(z.string().min(1)).default([]),
  workers: z.int().min(1).max(64).default(WORKERS),
  turnsAtOnce: z.int().min(1).max(1_000).default(TURNS_AT_ONCE),
  retentionDays: z.int().min(1).max(3650).default(RETENTION_DAYS),
  limits: z
    .strictObject({
      workspaceBytes: z.int().min(1024).default(WORKSPACE_LIMITS.maxWorkspaceBytes),
      workspaceFiles: z.int().min(1).default(WORKSPACE_LIMITS.maxWorkspaceFiles),
      ...messageLimitFields,
    })
    .prefault({}),
  keepGenerations: z.int().min(1).max(1000).default(KEPT_GENERATIONS),
  whileRunning: whileRunningSchema.prefault({}),
  checkpointEverySec: z.number().min(0).max(3600).default(CHECKPOINT_EVERY_SEC),
  hot: z
    .strictObject({
      sessions: z.int().min(0).max(10_000).default(HOT_SESSIONS),
      memoryMb: z.int().min(50).max(1_000_000).default(HOT_MEMORY_MB),
      idleMinutes: z.number().positive().max(1_440).default(HOT_IDLE_MINUTES),
    })
    .prefault({}),
  apiKeys: z
    .array(z.string().regex(/^[\x21-\x7e]{16,}$/, 'must be at least 16 visible ASCII characters'))
    .default([]),
  browsers: browserAccessSchema.prefault({}),
  webhooks: webhookSettingsSchema.prefault({}),
  /** Hears voice messages (src/transcribers/settings.ts). */
  transcriber: transcriberSchema.optional(),
  model: z.string().min(1).optional(),
  budgets: budgetsSchema.optional(),
  prices: pricesSchema.optional(),
  tenants: z
    .strictObject({
      /** Below it the agent folders that tenants may be given. Relative to this file. */
      agentFolders: z.string().min(1).optional(),
      /** Models that tenants may be given, besides those that the installation uses itself. */
      models: z.array(z.string().min(1)).default([]),
    })
    .prefault({}),
};

/** The configuration file, with a section for each channel that has fields there. All fields are optional. */
export function configFileSchema(channels: readonly ChannelDescriptor[] = CHANNELS) {
  const sections = fileSections(channels);
  const taken = Object.keys(sections).filter((name) => name in ownFields);
  if (taken.length > 0) throw new Error(`No channel can be named ${taken[0]}: it is a field of its own.`);
  return z.strictObject({ ...ownFields, ...sections });
}

const PROXY_VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'] as const;

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogThreshold = (typeof LOG_LEVELS)[number];

export interface Configuration {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly dataDir: string;
  readonly agentDir: string;
  /** True when no agent folder is named and there is no ./agent, so the example agent is used. */
  readonly agentIsExample: boolean;
  /** The file that was read, if any. */
  readonly configFile: string | null;
  readonly apiKeys: readonly string[];
  /** Which pages and people may call the API. */
  readonly browsers: BrowserAccess;
  /** Where webhooks may be sent to. */
  readonly webhooks: WebhookSettings;
  readonly workers: number;
  /** Turns of different conversations that may run at once, on all workers together. */
  readonly turnsAtOnce: number;
  readonly retentionSec: number;
  readonly limits: StateLimits;
  /** How many messages are taken in and how much is kept, where a tenant says nothing else for itself. */
  readonly messageLimits: MessageLimits;
  /** What hears voice messages; null: nothing does. */
  readonly transcriber: TranscriberSettings | null;
  /** What a message does to a turn that runs. */
  readonly whileRunning: WhileRunning;
  readonly keepGenerations: number;
  /** A running turn is saved this often; 0 for never. */
  readonly checkpointEveryMs: number;
  /** Live agents that stay for their session's next turn, on all workers together. */
  readonly hot: HotLimits;
  readonly model: ModelChoice;
  /** What turns may spend. */
  readonly budgets: Budgets;
  /** Of models that the package's table lacks, or that cost otherwise here. */
  readonly prices: ModelPrices;
  /** What tenants may be given; null: no agent folder but the installation's own. */
  readonly tenants: { readonly agentFolders: string | null; readonly models: readonly string[] };
  /** Files of the modules that bring channels of one's own. */
  readonly channelModules: readonly string[];
  /** The channels that are on. */
  readonly channels: ChannelsSettings;
  /** What is no secret of every channel's settings, whether it is on or not. */
  readonly channelConfiguration: ChannelsSettings;
  /** The OpenTelemetry collector that turns are told to; null without one. */
  readonly traces: OtlpSettings | null;
  /** The proxy for requests to the model, as the usual environment variables. */
  readonly proxy: Readonly<Record<string, string>>;
  /** What stored credentials are encrypted with; null for the data folder's own key. */
  readonly vaultKey: string | null;
  /** Under which people's browsers reach this server; null for the address it listens on. */
  readonly publicUrl: string | null;
  readonly logLevel: LogThreshold;
}

export interface ConfigurationSources {
  readonly env: Environment;
  /** The folder that relative paths are relative to. */
  readonly cwd: string;
  /** Options of the command line; they override the environment. */
  readonly overrides?: Partial<
    Pick<Configuration, 'host' | 'port' | 'dataDir' | 'agentDir' | 'logLevel' | 'workers'>
  > & {
    /** Modules with channels, besides those of the file; relative to `cwd`. */
    readonly channelModules?: readonly string[];
  };
  /** The channels to know, besides those of modules. @default those of this package */
  readonly channels?: readonly ChannelDescriptor[];
}

/** Throws `Invalid` that names the variable or field and says what it must be. */
export function readConfiguration(sources: ConfigurationSources): Configuration {
  const { env, cwd, overrides = {} } = sources;
  const { file, value } = readFile(env, cwd);
  // Which fields the file may have depends on the channels that it names itself.
  const channelModules = [
    ...locateModules(modulesIn(value), file === null ? cwd : dirname(file)),
    ...locateModules(overrides.channelModules ?? [], cwd),
  ];
  const channels = withOwnChannels(sources.channels ?? CHANNELS, channelModules);
  const values = checkFile(file, value, configFileSchema(channels));
  const ownKey = env.HYBRID_SESSIONS_API_KEY;
  if (ownKey !== undefined && ownKey !== '' && !/^[\x21-\x7e]{16,}$/.test(ownKey)) {
    bad('HYBRID_SESSIONS_API_KEY', 'must be at least 16 visible ASCII characters');
  }
  return {
    host: overrides.host ?? (env.HOST || '127.0.0.1'),
    port: overrides.port ?? portFrom(env.PORT),
    dataDir: resolve(cwd, overrides.dataDir ?? (env.HYBRID_SESSIONS_DIR || '.hybrid-sessions')),
    ...agentFolder(sources),
    configFile: file,
    apiKeys: [...(ownKey ? [ownKey] : []), ...values.apiKeys],
    browsers: values.browsers,
    webhooks: values.webhooks,
    workers: overrides.workers ?? values.workers,
    turnsAtOnce: values.turnsAtOnce,
    retentionSec: values.retentionDays * DAY_SEC,
    transcriber: values.transcriber ?? null,
    whileRunning: values.whileRunning,
    messageLimits: {
      turnsPerMinute: values.limits.turnsPerMinute,
      waiting: values.limits.waiting,
      sessions: values.limits.sessions,
      bytes: values.limits.bytes,
    },
    limits: {
      maxWorkspaceBytes: values.limits.workspaceBytes,
      maxWorkspaceFiles: values.limits.workspaceFiles,
    },
    keepGenerations: values.keepGenerations,
    checkpointEveryMs: Math.round(values.checkpointEverySec * 1000),
    hot: {
      sessions: values.hot.sessions,
      memoryBytes: values.hot.memoryMb * 1024 * 1024,
      idleMs: Math.round(values.hot.idleMinutes * 60_000),
    },
    model: modelFrom(env, values.model),
    budgets: values.budgets ?? {},
    prices: values.prices ?? {},
    tenants: {
      agentFolders:
        values.tenants.agentFolders === undefined
          ? null
          : resolve(file === null ? cwd : dirname(file), values.tenants.agentFolders),
      models: values.tenants.models,
    },
    channelModules,
    channels: channelsFrom(channels, env, values),
    channelConfiguration: Object.fromEntries(
      channels.map((one) => [
        one.name,
        channelConfiguration(one, env, (values as Record<string, unknown>)[one.name]),
      ]),
    ),
    traces: otlpFrom(env),
    proxy: proxyFrom(env),
    publicUrl: publicUrlFrom(env.HYBRID_SESSIONS_PUBLIC_URL),
    vaultKey: vaultKeyFrom(env.HYBRID_SESSIONS_VAULT_KEY),
    logLevel: overrides.logLevel ?? logLevelFrom(env.HYBRID_SESSIONS_LOG),
  };
}

type FileValues = z.infer<ReturnType<typeof configFileSchema>>;

function readFile(env: Environment, cwd: string): { file: string | null; value: unknown } {
  const named = env.HYBRID_SESSIONS_CONFIG;
  const file = resolve(cwd, named || CONFIG_FILE);
  if (!named && !existsSync(file)) return { file: null, value: {} };
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Invalid('bad-config', `The configuration file ${file} cannot be read.`, {
      cause,
      advice: 'Check HYBRID_SESSIONS_CONFIG and the permissions of the file.',
    });
  }
  try {
    return { file, value: JSON.parse(text) };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Invalid('bad-config', `${file} is not JSON: ${message}`, { cause });
  }
}

/** None where they are not written as they should be: the whole file is refused for that afterwards. */
function modulesIn(value: unknown): readonly string[] {
  return z.object({ channelModules: ownFields.channelModules }).safeParse(value).data?.channelModules ?? [];
}

function checkFile(
  file: string | null,
  value: unknown,
  schema: ReturnType<typeof configFileSchema>,
): FileValues {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Invalid('bad-config', `${file}: ${settingFault(parsed.error)}.`, {
    advice: 'docs/configuration.md lists every field, those of a channel are on its own page.',
  });
}

/** Chooses the agent folder. The package's example agent may run commands, so its use is reported at the start. */
function agentFolder({
  env,
  cwd,
  overrides = {},
}: ConfigurationSources): Pick<Configuration, 'agentDir' | 'agentIsExample'> {
  const named = overrides.agentDir ?? env.HYBRID_SESSIONS_AGENT;
  if (named) return { agentDir: resolve(cwd, named), agentIsExample: false };
  const local = resolve(cwd, 'agent');
  const agentIsExample = !existsSync(local);
  return { agentDir: agentIsExample ? EXAMPLE_AGENT : local, agentIsExample };
}

function portFrom(value: string | undefined): number {
  if (value === undefined || value === '') return 8787;
  const port = Number(value);
  if (!/^\d{1,5}$/.test(value) || port > 65_535) bad('PORT', 'must be a whole number from 0 to 65535');
  return port;
}

function logLevelFrom(value: string | undefined): LogThreshold {
  if (value === undefined || value === '') return 'info';
  const level = LOG_LEVELS.find((known) => known === value);
  return level ?? bad('HYBRID_SESSIONS_LOG', `must be one of ${LOG_LEVELS.join(', ')}`);
}

function publicUrlFrom(value: string | undefined): string | null {
  if (value === undefined || value === '') return null;
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search && !url.username) {
    return url.origin;
  }
  return bad(
    'HYBRID_SESSIONS_PUBLIC_URL',
    'must be an address without a path, such as https://agent.example.com',
  );
}

function vaultKeyFrom(value: string | undefined): string | null {
  if (value === undefined || value === '') return null;
  if (VAULT_KEY_SHAPE.test(value)) return value;
  return bad(
    'HYBRID_SESSIONS_VAULT_KEY',
    'must be 32 bytes as base64, as `openssl rand -base64 32` makes them',
  );
}

function channelsFrom(
  channels: readonly ChannelDescriptor[],
  env: Environment,
  values: Readonly<Record<string, unknown>>,
): ChannelsSettings {
  const on = channels.flatMap((channel) => {
    const settings = readChannelSettings(channel, env, values[channel.name]);
    return settings === null ? [] : [[channel.name, settings] as const];
  });
  return Object.fromEntries(on);
}

function proxyFrom(env: Environment): Record<string, string> {
  const set = PROXY_VARIABLES.flatMap((name) => {
    const value = env[name] || env[name.toLowerCase()];
    return value ? [[name, value] as const] : [];
  });
  return Object.fromEntries(set);
}

function bad(name: string, rule: string): never {
  throw new Invalid('bad-config', `${name} ${rule}.`, { advice: 'Change the environment variable.' });
}
