// `/btw` to a turn that runs, through server, worker process, host and the real CLI.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { type Answer, startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { until } from '../waiting.ts';

let system: TestSystem;
let asked: string[] = [];

beforeAll(async () => {
  system = await startLocalSystem({
    respond(request) {
      const all = JSON.stringify(request.messages);
      asked.push(all);
      if (all.includes('keep it short')) return { blocks: [{ type: 'text', text: 'short, then' }] };
      const input = { command: 'sleep 1; date +%s%N', description: 'wait' };
      return { blocks: [{ type: 'tool_use', name: 'Bash', input }] };
    },
  });
});
afterAll(() => system.close());

test(`${promise('ONCE-IN')} it reaches the running agent, is answered by that turn and by no other`, async () => {
  asked = [];
  const long = system.say('c', 'work');
  await until(() => asked.length > 0);
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'btw' };
  const body = JSON.stringify({ text: '/btw keep it short' });
  const write = () => system.call('/v1/chats/c/messages', { method: 'POST', headers, body });
  const [answer, steered] = await Promise.all([
    long,
    write().then((response) => response.json() as Promise<Answer>),
  ]);
  expect(answer.reply.text).toBe('short, then');
  expect(steered.reply).toMatchObject({ text: '', code: 'gathered' });
  expect(((await (await write()).json()) as Answer).turn_id).toBe(steered.turn_id);
  const said = asked.filter((all) => all.includes('keep it short'));
  expect(said).toHaveLength(1);
  const { turns } = (await (await system.call('/v1/chats/c')).json()) as {
    turns: { kind: string; status: string }[];
  };
  expect(turns.map(({ kind, status }) => [kind, status])).toEqual([
    ['message', 'delivered'],
    ['steer', 'delivered'],
  ]);
  // The next turn still knows it, once.
  asked = [];
  await system.say('c', 'and now?');
  expect(asked[0]?.split('keep it short')).toHaveLength(2);
});
