// The agent schedules itself, through server, worker process, host and the real CLI; the server fires what is due, also after
// it was down.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import type { Responder } from '../../testing/model/scripted-model.ts';
import { until } from '../waiting.ts';

const dataDir = await mkdtemp(join(tmpdir(), 'hybrid-sessions-schedules-'));
let system: TestSystem | null = null;
afterAll(async () => {
  await system?.close();
  await rm(dataDir, { recursive: true, force: true });
});

let dueInMs = 0;
const seen: string[] = [];
/** "plan" schedules, then says what the tool answered; anything else is echoed. */
const respond: Responder = (request) => {
  // What only the CLI says comes behind it.
  const last = JSON.stringify(
    request.messages.findLast(({ text, toolResults }) => text !== '' || toolResults.length > 0),
  );
  const isPlan = last.includes('plan it');
  seen.push(last);
  if (isPlan) {
    const at = new Date(Date.now() + dueInMs).toISOString();
    const input = { action: 'create', name: 'greeting', text: 'say good morning', at };
    return { blocks: [{ type: 'tool_use', name: 'mcp__hybrid_sessions__schedule', input }] };
  }
  return {
    blocks: [{ type: 'text', text: last.includes('"toolResults":[{') ? `planned ${last}` : 'good morning' }],
  };
};
const start = () => startLocalSystem({ respond, dataDir, env: { TZ: 'Europe/Berlin' } });

interface Listed {
  readonly time_zone: string;
  readonly schedules: readonly {
    readonly id: string;
    readonly status: string;
    readonly next_due_at: string | null;
    readonly runs: readonly { readonly outcome: string; readonly turn_id: string | null }[];
  }[];
}
const listed = async () => (await (await system!.call('/v1/chats/c/schedules')).json()) as Listed;
const turns = async () => {
  const body = await (await system!.call('/v1/chats/c')).json();
  return (body as { turns: { kind: string; status: string; reply: { text: string } | null }[] }).turns;
};

test(`${promise('ONCE-IN')} what the agent orders is due once, in the same conversation, and the log says what came of it`, async () => {
  system = await start();
  dueInMs = 4_000;
  const planned = await system.say('c', 'plan it');
  expect(planned.reply.text).toContain('is scheduled when this turn ends');
  const { schedules } = await listed();
  expect(schedules).toHaveLength(1);
  await until(async () =>
    (await turns()).some(({ kind, status }) => kind === 'wake' && status === 'delivered'),
  );
  expect((await turns()).map(({ kind }) => kind)).toEqual(['message', 'wake']);
  expect((await turns()).at(-1)?.reply?.text).toBe('good morning');
  const woken = seen.find(
    (message) => message.includes('say good morning') && message.includes('scheduled_wake_up'),
  );
  expect(woken).toContain('greeting');
  await until(async () => (await listed()).schedules[0]?.runs[0]?.outcome === 'ok');
  expect((await listed()).schedules[0]).toMatchObject({ status: 'ended', next_due_at: null });
});

test('a due time that passes while the system is down is caught up with at the next start', async () => {
  dueInMs = 3_000;
  await system!.say('c', 'plan it');
  const due = Date.parse((await listed()).schedules.at(-1)?.next_due_at ?? '');
  await system!.close();
  await until(() => Date.now() > due);
  system = await start();
  await until(
    async () =>
      (await turns()).filter(({ kind, status }) => kind === 'wake' && status === 'delivered').length === 2,
  );
  expect((await turns()).map(({ kind }) => kind)).toEqual(['message', 'wake', 'message', 'wake']);
});

test(`${promise('ONCE-IN')} a process that is killed while it fires: one turn for the due time`, async () => {
  const wakes = async () => (await turns()).filter(({ kind }) => kind === 'wake');
  const before = (await wakes()).length;
  dueInMs = 2_000;
  await system!.say('c', 'plan it');
  const due = Date.parse((await listed()).schedules.at(-1)?.next_due_at ?? '');
  await system!.close();
  await until(() => Date.now() > due);
  const program = fileURLToPath(new URL('fire-and-hang.ts', import.meta.url));
  const child = spawn(process.execPath, [program, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  await until(() => said.includes('queued') || child.exitCode !== null);
  expect(said).toContain('queued');
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  system = await start();
  await until(async () => (await listed()).schedules.at(-1)?.status === 'ended');
  await until(async () => (await wakes()).every(({ status }) => status === 'delivered'));
  expect(await wakes()).toHaveLength(before + 1);
  expect((await listed()).schedules.at(-1)?.runs).toMatchObject([{ outcome: 'ok' }]);
});

test('the next turn of a live agent schedules for itself, and knows what is scheduled', async () => {
  dueInMs = 3_600_000;
  const first = await system!.say('c', 'plan it');
  const second = await system!.say('c', 'plan it');
  expect(second.reply.text).toContain('is scheduled when this turn ends');
  expect(second.generation).toBeGreaterThan(first.generation);
  const open = (await listed()).schedules.filter(({ status }) => status === 'active');
  expect(open).toHaveLength(2);
  const [one] = open;
  const act = (action: string, key = 'k') =>
    system!.call(`/v1/chats/c/schedules/${one?.id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ action }),
    });
  expect(await (await act('pause')).json()).toMatchObject({ status: 'paused' });
  expect(await (await act('resume')).json()).toMatchObject({ status: 'active' });
  await act('run');
  await act('run');
  await until(
    async () => (await listed()).schedules.find(({ id }) => id === one?.id)?.runs[0]?.outcome === 'ok',
  );
  expect((await turns()).filter(({ kind }) => kind === 'wake')).toHaveLength(4);
  expect(await (await act('cancel')).json()).toMatchObject({ status: 'cancelled' });
  expect((await system!.say('c', '/schedules')).reply.text).toContain('greeting');
});
