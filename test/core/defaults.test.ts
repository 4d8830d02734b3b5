// Each default is stated once: what people set, what commands write and what is documented follow from it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingsSchema } from '../../src/cdk/settings.ts';
import * as defaults from '../../src/core/defaults.ts';
import { configFileSchema } from '../../src/local/configuration.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const page = (name: string) => readFileSync(join(ROOT, 'docs', name), 'utf8');

describe('defaults', () => {
  test('are what an empty configuration means', () => {
    expect(configFileSchema().parse({})).toMatchObject({
      workers: defaults.WORKERS,
      retentionDays: defaults.RETENTION_DAYS,
      keepGenerations: defaults.KEPT_GENERATIONS,
      checkpointEverySec: defaults.CHECKPOINT_EVERY_SEC,
      hot: {
        sessions: defaults.HOT_SESSIONS,
        memoryMb: defaults.HOT_MEMORY_MB,
        idleMinutes: defaults.HOT_IDLE_MINUTES,
      },
      limits: {
        workspaceBytes: defaults.WORKSPACE_LIMITS.maxWorkspaceBytes,
        workspaceFiles: defaults.WORKSPACE_LIMITS.maxWorkspaceFiles,
      },
    });
    expect(settingsSchema().parse({}).retentionDays).toBe(defaults.RETENTION_DAYS);
  });

  test.each(['configuration.md', 'deploy-aws.md'])(
    'the retention in docs/%s is the one that holds',
    (name) => {
      const row = page(name)
        .split('\n')
        .find((line) => line.includes('`retentionDays`') && line.startsWith('|'));
      expect(row).toMatch(new RegExp(`\\b${defaults.RETENTION_DAYS}\\b`));
    },
  );
});
