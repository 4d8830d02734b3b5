// What the ready app is told: one JSON file, checked. Every field may be left out; then the demo model answers and
// there is no Telegram bot, which shows a whole installation working before any key is made.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { RETENTION_DAYS } from '../core/defaults.ts';
import { settingFault } from '../setting-fault.ts';

const parameterName = z
  .string()
  .regex(/^\/[\w./-]{1,500}$/, 'must be the name of a parameter, beginning with /, never a secret itself');

export const settingsSchema = z.strictObject({
  $schema: z.string().optional(),
  /** Several installations in one account differ by it. */
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
      z.strictObject({ provider: z.literal('demo') }),
    ])
    .default({ provider: 'demo' }),
  telegram: z
    .strictObject({ tokenParameter: parameterName, allowedUsers: z.array(z.int().positive()).min(1) })
    .optional(),
  http: z.boolean().default(true),
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
    })
    .prefault({}),
  retentionDays: z.int().min(1).max(3650).default(RETENTION_DAYS),
  versionedBucket: z.boolean().default(false),
  deleteDataWithStack: z.boolean().default(false),
  dashboard: z.boolean().default(true),
});

export type Settings = z.infer<typeof settingsSchema>;

export function readSettings(file: string | undefined): Settings {
  if (file === undefined) return settingsSchema.parse({});
  const parsed = settingsSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (!parsed.success) throw new Error(`${file}: ${settingFault(parsed.error)}.`);
  const { agentFolder } = parsed.data;
  return agentFolder ? { ...parsed.data, agentFolder: resolve(dirname(file), agentFolder) } : parsed.data;
}
