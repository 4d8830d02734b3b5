// The settings file of the CDK app: JSON, checked here. All fields are optional. Without any, the demo model answers
// and there is no chat channel: that shows a whole working installation before there is any key.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { deployedSchema, parameterName } from '../channels/deployed.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { CHANNELS } from '../channels/index.ts';
import { locateModules, withOwnChannels } from '../channels/own-channels.ts';
import { browserAccessSchema } from '../core/browser-access.ts';
import { RETENTION_DAYS } from '../core/defaults.ts';
import { Invalid } from '../core/errors.ts';
import { messageLimitsSchema } from '../core/tenants.ts';
import { webhookSettingsSchema } from '../core/webhooks.ts';
import { whileRunningSchema } from '../core/while-running.ts';
import { budgetsSchema } from '../gateway/budgets.ts';
import { settingFault } from '../setting-fault.ts';
import { DEFAULT_AGENTS } from './props.ts';

const ownFields = {
  $schema: z.string().optional(),
  /** Modules with channels that this package does not bring. Relative to this file. */
  channelModules: z.array(z.string().min(1)).default([]),
  /** Distinguishes several installations in one account. */
  stack: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]{0,60}$/)
    .default('hybrid-sessions'),
  region: z.string().optional(),
  account: z
    .string()
    .regex(/^\d{12}$/)
    .optional(),
  alarmEmail: z.email().optional(),
  model: z
    .discriminatedUnion('provider', [
      z.strictObject({
        provider: z.literal('anthropic'),
        keyParameter: parameterName,
        model: z.string().optional(),
        baseUrl: z.url().optional(),
      }),
      z.strictObject({ provider: z.literal('bedrock'), model: z.string().min(1) }),
      z.strictObject({ provider: z.literal('demo') }),
    ])
    .default({ provider: 'demo' }),
  budgets: budgetsSchema.optional(),
  limits: messageLimitsSchema.optional(),
  browsers: browserAccessSchema.optional(),
  webhooks: webhookSettingsSchema.optional(),
  whileRunning: whileRunningSchema.optional(),
  http: z.boolean().default(true),
  /** Whether agents run beside the worker's rights, or each session apart. */
  agents: z.enum(['isolated', 'shared']).default(DEFAULT_AGENTS),
  /** Relative to this file. */
  agentFolder: z.string().optional(),
  architecture: z.enum(['arm64', 'x86_64']).default('arm64'),
  worker: z
    .strictObject({
      memoryMb: z.int().min(512).max(10_240).optional(),
      timeoutSec: z.int().min(120).max(900).optional(),
      ephemeralStorageMb: z.int().min(512).max(10_240).optional(),
      maxConcurrency: z.int().min(2).max(1000).optional(),
      keepSession: z.boolean().optional(),
      hotIdleMinutes: z.number().min(0).max(1_440).optional(),
    })
    .prefault({}),
  ingress: z.strictObject({ reservedConcurrency: z.int().min(1).max(1000).optional() }).prefault({}),
  tenants: z
    .strictObject({
      parameterPrefix: parameterName,
      /** Below it, one folder for each agent that tenants may be given. Relative to this file. */
      agentFolders: z.string().optional(),
      models: z.array(z.string().min(1)).optional(),
    })
    .optional(),
  retentionDays: z.int().min(1).max(3650).default(RETENTION_DAYS),
  ownKey: z.boolean().default(false),
  versionedBucket: z.boolean().default(false),
  deleteDataWithStack: z.boolean().default(false),
  dashboard: z.boolean().default(true),
};
const ownSchema = z.strictObject(ownFields);

/** The settings file, with a section for each channel that has settings. */
export function settingsSchema(channels: readonly ChannelDescriptor[] = CHANNELS) {
  const sections = Object.fromEntries(
    channels.flatMap((channel) => {
      const section = deployedSchema(channel);
      return section ? [[channel.name, section.optional()] as const] : [];
    }),
  );
  const taken = Object.keys(sections).filter((name) => name in ownFields);
  if (taken.length > 0) throw new Error(`No channel can be named ${taken[0]}: it is a setting of its own.`);
  return z.strictObject({ ...ownFields, ...sections });
}

/** Reads the settings file. Sections of channels are checked by the channels themselves, later. */
export type Settings = z.infer<typeof ownSchema> & { readonly [channel: string]: unknown };

export function readSettings(file: string | undefined): Settings {
  if (file === undefined) return settingsSchema().parse({});
  const given = readJson(file);
  // Which fields the file may have depends on the channels that it names itself.
  const named = z.object({ channelModules: ownFields.channelModules }).safeParse(given);
  const channelModules = locateModules(named.data?.channelModules ?? [], dirname(file));
  const parsed = settingsSchema(withOwnChannels(CHANNELS, channelModules)).safeParse(given);
  if (!parsed.success) {
    throw new Invalid('bad-settings', `${file}: ${settingFault(parsed.error)}.`, {
      advice: 'docs/deploy-aws.md lists the settings.',
    });
  }
  const { agentFolder, tenants } = parsed.data;
  const beside = (path: string) => resolve(dirname(file), path);
  return {
    ...parsed.data,
    channelModules: [...channelModules],
    ...(agentFolder ? { agentFolder: beside(agentFolder) } : {}),
    ...(tenants?.agentFolders ? { tenants: { ...tenants, agentFolders: beside(tenants.agentFolders) } } : {}),
  };
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Invalid('bad-settings', `${file}: cannot be read.`, {
      cause,
      advice: 'Make it a plain file that this user may read.',
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Invalid('bad-settings', `${file}: not JSON: ${(cause as Error).message}.`, {
      cause,
      advice: 'docs/deploy-aws.md shows one.',
    });
  }
}
