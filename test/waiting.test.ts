// No test sets a limit of its own or sleeps for a time that should suffice: on a busy machine both fail for nothing.
import { glob, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

const FORBIDDEN: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: 'a limit on a test or a wait', pattern: /\btimeout: [\d_A-Z]|^\s*\}, [\d_]+\);$|\bvi\.waitFor\b/ },
  { what: 'a sleep', pattern: /\bsetTimeout\b|\bsetInterval\b/ },
];

/** Lines that may stay, each with its reason. */
const ALLOWED: Readonly<Record<string, string>> = {
  'test/waiting.ts': 'the one place that looks again after a while',
  'test/agent/ask-rules.test.ts': 'a time-out as a model names it',
  'test/agent/pause.test.ts': 'random moments to pause at, and a time in which nothing may happen',
  'test/agent/tool-servers.test.ts': 'a time-out as a model names it, and a time in which nothing may happen',
  'test/aws/presigned.test.ts': 'a URL that runs out',
  'test/aws/real-account.test.ts': 'waits for a server that keeps its own time',
  'test/cli/deploy.test.ts': 'a setting that there is not',
  'test/gateway/budgets.test.ts': 'answers that come one after the other',
  'test/gateway/hostile-requests.test.ts': 'a caller that hangs up in mid-request',
  'test/gateway/silence.test.ts': 'a clock of its own',
  'test/host/sandbox-life.test.ts': 'random moments to kill at, and a time in which nothing may happen',
  'test/host/sandbox-worker.ts': 'a worker that goes on until it is killed',
  'test/lambda/invoke.test.ts': 'the source of functions that wait, tick and crash',
  'test/lambda/lambda-hosts-fixture.ts': 'a mailbox that is looked into again and again',
  'test/lambda/runtime.test.ts': 'the source of a function that hangs, and of one that waits for a file',
  'test/lambda/shared-user.long.test.ts': 'a time in which nothing may happen',
  'test/local/compile-cache.test.ts': 'the source of a program that goes on',
  'test/local/fire-and-hang.ts': 'a process that goes on until it is killed',
  'test/local/tenant-agents.long.test.ts': 'the time for which a record is remembered',
  'test/local/tenants.long.test.ts': 'a time in which nothing may happen',
  'test/stores/file-changes.test.ts': 'a clock with shorter pauses',
  'test/stores/writes-on.ts': 'a writer that goes on until it is killed',
  'test/telegram/fixture.ts': 'repeats as the core does, with shorter pauses',
  'test/telegram/poller.test.ts': 'a clock with shorter pauses',
  'test/telegram/turn.test.ts': 'a clock with shorter pauses',
  'test/web/page-behaviour.test.ts': 'a click that is tried again when the button has gone meanwhile',
};

test('tests wait for events, with the limits of test/waiting.ts', async () => {
  const found = new Map<string, string[]>();
  for await (const file of glob('test/**/*.ts')) {
    for (const line of (await readFile(file, 'utf8')).split('\n')) {
      const { what } = FORBIDDEN.find(({ pattern }) => pattern.test(line)) ?? {};
      if (what) found.set(file, [...(found.get(file) ?? []), `${what}: ${line.trim()}`]);
    }
  }
  const refused = [...found].filter(([file]) => !(file in ALLOWED));
  expect(Object.fromEntries(refused)).toEqual({});
  expect(Object.keys(ALLOWED).filter((file) => !found.has(file))).toEqual([]);
});
