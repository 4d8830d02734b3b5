import { defineConfig } from 'vitest/config';
import { createNoSkips } from './test/no-skips.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    reporters: [createNoSkips(Boolean(process.env.HYBRID_SESSIONS_NO_SKIP)), 'default'],
  },
});
