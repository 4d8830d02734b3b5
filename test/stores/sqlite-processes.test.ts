// Real processes on one file: no turn lost, none twice, order kept, also when one is killed in the middle.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { sessionKeyOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { createSqliteTurnQueue } from '../../src/queues/sqlite/turn-queue.ts';
import { createSqliteEventLog, createSqliteSessionStore } from '../../src/stores/sqlite/index.ts';
import { conversation, message } from '../../testing/contracts/contract.ts';
import { repeatRefused } from './repeat-refused.ts';
import { temporaryFolder } from './temporary-folder.ts';

const HAMMER = fileURLToPath(new URL('./hammer.ts', import.meta.url));
const PROCESSES = 4;
const CHATS = 6;
const TURNS = 8;

function start(
  database: string,
  onLine: (line: string) => void,
): { child: ChildProcess; ended: Promise<number> } {
  const child = spawn(process.execPath, [HAMMER, database], { stdio: ['pipe', 'pipe', 'inherit'] });
  createInterface({ input: child.stdout! }).on('line', onLine);
  const ended = new Promise<number>((resolve) => child.on('exit', (code) => resolve(code ?? -1)));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, ended };
}

test(`${promise('ORDER', 'ONCE-IN', 'ACKED')} four processes on one file: every turn once, in order`, async () => {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const database = join(folder.path, 'hybrid-sessions.db');
  const chats = Array.from({ length: CHATS }, (_, i) => conversation({ chat: `chat ${i}` }));
  const done: { chat: string; text: string }[] = [];
  let finish = () => {};
  const allDone = new Promise<void>((resolve) => {
    finish = resolve;
  });
  // All five open the new file at once.
  const workers = Array.from({ length: PROCESSES }, () =>
    start(database, (line) => {
      done.push(JSON.parse(line));
      if (done.length >= CHATS * TURNS) finish();
    }),
  );
  const queue = createSqliteTurnQueue({ database });
  const store = createSqliteSessionStore({ database });
  for (let turn = 0; turn < TURNS; turn++) {
    for (const of of chats) {
      const request = message(of, { text: `turn ${turn}` });
      await repeatRefused(() => store.accept(request, 3_600));
      await Promise.all([1, 2].map(() => repeatRefused(() => queue.send(request))));
    }
  }
  const died = Promise.race(workers.map(({ ended }) => ended)).then((code) => {
    throw new Error(`A worker ended early with ${code}.`);
  });
  await Promise.race([allDone, died]);
  died.catch(() => undefined);
  for (const { child } of workers) child.stdin!.end();
  expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual(workers.map(() => 0));
  const inOrder = Array.from({ length: TURNS }, (_, i) => `turn ${i}`);
  for (const of of chats) {
    const key = sessionKeyOf(of);
    const [head, ...more] = (await store.listHeads('acme' as never, { sessionKey: key })).items;
    expect(more).toEqual([]);
    expect(head).toMatchObject({ generation: TURNS, state: inOrder });
    const turns = (await store.listTurns(key)).items;
    expect(turns.map(({ text, status }) => [text, status])).toEqual(
      inOrder.map((text) => [text, 'delivered']),
    );
  }
  expect(done).toHaveLength(CHATS * TURNS);
  expect(await queue.depth()).toBe(0);
  await queue.close();
  await store.close();
});

test(`${promise('ACKED', 'ATOMIC')} what was sent and committed is there after a kill -9`, async () => {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const database = join(folder.path, 'hybrid-sessions.db');
  const queue = createSqliteTurnQueue({ database });
  const of = conversation();
  for (let i = 0; i < 50; i++) await queue.send(message(of, { text: `turn ${i}` }));
  let seen = 0;
  const worker = start(database, () => {
    seen += 1;
    if (seen === 5) worker.child.kill('SIGKILL');
  });
  await worker.ended;
  const store = createSqliteSessionStore({ database });
  const [head] = (await store.listHeads('acme' as never)).items;
  const state = head?.state as string[];
  expect(state.length).toBeGreaterThanOrEqual(5);
  expect(state).toEqual(state.map((_, i) => `turn ${i}`));
  expect(head?.generation).toBe(state.length);
  const committed = (await store.listTurns(sessionKeyOf(of), { limit: 200 })).items.filter(
    ({ reply }) => reply,
  );
  expect(committed.map(({ text }) => text)).toEqual(state);
  const rest = createSqliteTurnQueue({ database, clock: laterClock(120_000) });
  const [next] = await rest.receive({ max: 1, waitMs: 0, visibilityMs: 1_000 });
  // The message in hand when the process died comes again; none behind it was skipped.
  expect([`turn ${state.length - 1}`, `turn ${state.length}`]).toContain(next?.request.text);
  await rest.close();
  await queue.close();
  await store.close();
});

test('a reader in this process is woken by a writer on another connection, in real time', async () => {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const database = join(folder.path, 'hybrid-sessions.db');
  const [reader, writer] = [createSqliteEventLog({ database }), createSqliteEventLog({ database })];
  const pending = reader.read('acme' as never, 't' as never, 0, { waitMs: 20_000 });
  await writer.append('acme' as never, 't' as never, [{ type: 'text', text: 'hello' }]);
  expect(await pending).toHaveLength(1);
  await reader.close();
  await writer.close();
});

function laterClock(ms: number) {
  return { now: () => Date.now() + ms, sleep: async () => {} };
}
