import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import { createNoSkips } from './test/no-skips.ts';
import { TEST_MS, WAIT_MS } from './test/waiting.ts';

/** Everything else is a unit test, so that a new folder is always part of a project. */
/** Examples name the package; here they mean its sources. */
const source = (path: string) => join(import.meta.dirname, path);
const alias = {
  'hybrid-sessions/channel': source('src/channel.ts'),
  'hybrid-sessions/testing/contracts/channel': source('testing/contracts/channel.ts'),
  'hybrid-sessions/testing/clock': source('testing/clock.ts'),
};

const projects: Readonly<Record<string, readonly string[]>> = {
  stores: ['test/stores/**/*.test.ts', 'test/queues/**/*.test.ts', 'test/sdk-session-store/**/*.test.ts'],
  aws: [
    'test/aws/**/*.test.ts',
    'test/cdk/**/*.test.ts',
    'test/lambda/**/*.test.ts',
    'test/**/*-lambda.test.ts',
  ],
  browser: ['test/web/**/*.test.ts'],
  faults: ['test/faults/**/*.test.ts'],
};

// A test starts many programs from source: what one of them compiled, the next one takes.
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), `hybrid-sessions-tests-${process.getuid?.() ?? ''}`);

/** A whole installation, many programs, a limit waited out: with `npm run test:all`, or when one is named. */
const LONG = '**/*.long.test.ts';
const isLongNamed = process.argv.some((argument) => argument.includes('.long'));

/** `npm run test:all` is `vitest run --mode thorough` (test/thorough.ts). */
export default defineConfig(({ mode }) => {
  const leftOut = [...configDefaults.exclude, ...(mode === 'thorough' || isLongNamed ? [] : [LONG])];
  return {
    resolve: { alias },
    test: {
      env: { HYBRID_SESSIONS_THOROUGH: mode === 'thorough' ? '1' : '' },
      maxWorkers: 3,
      reporters: [createNoSkips(Boolean(process.env.HYBRID_SESSIONS_NO_SKIP)), 'default'],
      testTimeout: TEST_MS,
      hookTimeout: TEST_MS,
      expect: { poll: { timeout: WAIT_MS } },
      projects: [
        {
          extends: true,
          test: {
            name: 'unit',
            include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
            exclude: [...leftOut, ...Object.values(projects).flat()],
          },
        },
        ...Object.entries(projects).map(([name, include]) => ({
          extends: true as const,
          test: { name, include: [...include], exclude: leftOut },
        })),
      ],
    },
  };
});
