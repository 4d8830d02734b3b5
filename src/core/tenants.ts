// What is known about a tenant: its bots (with references to their secrets), its agent, who may write, what it may
// use. Every field may be left out; then what the installation's own settings say holds. Lists of people fail closed:
// a channel without a list lets nobody in, and `anyone` has to be written.
import { z } from 'zod';
import { userTokensSchema } from './browser-access.ts';
import type { Tenant } from './ids.ts';
import { SCOPES } from './scopes.ts';
import { secretReferenceSchema } from './secret-reference.ts';

/** A tenant's name as people write it. `tenantId` makes the first part of every key from it. */
export type TenantName = string & { readonly __brand: 'TenantName' };
/** A bot's own id on its platform, as it stands in session keys. */
export type BotId = string & { readonly __brand: 'BotId' };

/** Also a folder name, a part of host names and of a role session's name: so narrow. */
export const tenantNameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'must be 1 to 40 of a-z, 0-9 and "-", not at an end')
  .transform((name) => name as TenantName);

const channelSchema = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be the name of a channel');
/** An id of a platform: of a bot, a person, a group. */
const platformIdSchema = z.string().regex(/^[\x21-\x7e]{1,128}$/, 'must be an id of the platform');

/** The first is used, the others are still accepted: both while a secret is changed, then the new one alone. */
const secretSchema = z.array(secretReferenceSchema).min(1).max(3);

const fieldSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,31}$/);

const botSchema = z.strictObject({
  channel: channelSchema,
  bot: platformIdSchema.transform((id) => id as BotId),
  /** By the name of the channel's setting, e.g. `token`. */
  secrets: z.record(fieldSchema, secretSchema).default({}),
  /** Facts that its platform tells of it and a webhook has to know, e.g. `botUsername`. Not secret. */
  identity: z.record(fieldSchema, z.string().min(1).max(200)).default({}),
});

const peopleSchema = z.union([z.literal('anyone'), z.array(platformIdSchema).max(10_000)]);

const accessSchema = z.strictObject({
  /** Who may write to the bots, wherever they do. */
  users: peopleSchema.default([]),
  /** Groups in which everybody may. */
  groups: peopleSchema.default([]),
});

const hostSchema = z
  .string()
  .max(253)
  .regex(
    /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::\d{1,5})?$/,
    'must be a host such as api.example.com, *.example.com or api.example.com:8443',
  );

const count = z.int().min(1).max(1_000_000).nullable().default(null);
/** Of one chat, of one person in all their chats, of the tenant as a whole. null: no limit of the tenant's own. */
const perPartySchema = z.strictObject({ chat: count, speaker: count, tenant: count }).prefault({});

const bytes = z.int().min(1).max(Number.MAX_SAFE_INTEGER).nullable().default(null);
const usd = z.number().min(0).max(1_000_000).nullable().default(null);
const periodsSchema = z.strictObject({ day: usd, month: usd }).prefault({});

/** Looked at when a message comes in; also fields of the installation's own settings. */
export const messageLimitFields = {
  turnsPerMinute: perPartySchema,
  /** Messages that may wait at once, the running one included. */
  waiting: perPartySchema,
  /** Sessions that are kept at once. */
  sessions: count,
  /** Stored bytes, all sessions together. */
  bytes,
};

export const messageLimitsSchema = z.strictObject(messageLimitFields);
/** As written in settings: what is left out is no limit. */
export type MessageLimitSettings = z.input<typeof messageLimitsSchema>;

const limitsSchema = z
  .strictObject({
    ...messageLimitFields,
    /** Largest working directory of one session. */
    workspaceBytes: bytes,
    /** Days and months are those of UTC. 0 lets no turn begin. */
    budgetUsd: z.strictObject({ turn: usd, chat: periodsSchema, tenant: periodsSchema }).prefault({}),
  })
  .prefault({});

/** They go along with every request of an agent to its tool servers. */
const toolNamesSchema = z.array(z.string().min(1).max(200)).max(100);

const toolsSchema = z
  .strictObject({
    /** Narrows what the agent folder allows; null leaves it as it is. */
    allow: toolNamesSchema.nullable().default(null),
    /** Never, whatever the agent folder says. */
    deny: toolNamesSchema.default([]),
  })
  .prefault({});

/** A key of the HTTP API by its id; of the key itself there is only a digest. */
const apiKeySchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9]{8}$/),
  /** SHA-256 of the secret part, in hex. The secret is 256 random bits, so nothing slower is needed. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  createdAtMs: z.int().nonnegative(),
  /** Left out: all of them. */
  scopes: z.array(z.enum(SCOPES)).min(1).optional(),
});
export type ApiKeyEntry = z.infer<typeof apiKeySchema>;

/** Of several programs, each with one that takes its place. */
export const MAX_API_KEYS = 10;

/** Every field has a default, so `{}` is a tenant that may be written to by nobody. */
export const tenantSettingsSchema = z.strictObject({
  title: z.string().min(1).max(200).nullable().default(null),
  bots: z
    .array(botSchema)
    .max(40)
    .refine((bots) => new Set(bots.map(botKey)).size === bots.length, 'must not name a bot twice')
    .default([]),
  /** Relative to the folder of the installation's agent folders; null: the installation's own. */
  agentFolder: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'must be the name of an agent folder')
    .nullable()
    .default(null),
  model: z.string().min(1).max(200).nullable().default(null),
  /** By channel. A channel that is not here lets nobody in. */
  access: z.record(channelSchema, accessSchema).default({}),
  tools: toolsSchema,
  /** What the agent's commands reach; null: what the agent folder says. */
  network: z
    .union([z.enum(['none', 'open']), z.strictObject({ allow: z.array(hostSchema).min(1).max(500) })])
    .nullable()
    .default(null),
  limits: limitsSchema,
  /** Made by `tenants keys add`. */
  apiKeys: z.array(apiKeySchema).max(MAX_API_KEYS).default([]),
  /** Who vouches for this tenant's people in the HTTP API; null: as the installation says. */
  users: userTokensSchema.nullable().default(null),
  retentionDays: z.int().min(1).max(3_650).nullable().default(null),
  /** ARN of the key that this tenant's objects are encrypted with; null: the installation's. */
  kmsKey: z
    .string()
    .regex(
      /^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:(?:key|alias)\/[A-Za-z0-9/_-]+$/,
      'must be the ARN of a KMS key',
    )
    .nullable()
    .default(null),
});

export type TenantSettings = z.infer<typeof tenantSettingsSchema>;
export type TenantBot = TenantSettings['bots'][number];
export type TenantAccess = TenantSettings['access'][string];

/** `disabled`: messages are answered with a refusal, nothing is removed. `erasing`: the same, and everything goes. */
export type TenantStatus = 'active' | 'disabled' | 'erasing';

export interface TenantRecord {
  readonly tenant: Tenant;
  readonly name: TenantName;
  readonly status: TenantStatus;
  /** Grows by one with every change; a change names the version that it was made from. */
  readonly version: number;
  readonly settings: TenantSettings;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** Names a bot among all bots of an installation. Neither part holds a space. */
export function botKey({ channel, bot }: { readonly channel: string; readonly bot: string }): string {
  return `${channel} ${bot}`;
}
