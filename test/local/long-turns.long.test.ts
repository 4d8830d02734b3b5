// Turns that outlive their worker, in a whole local system with the real Agent SDK: cut off by a signal or killed, they
// go on from what was saved, run no tool twice, and end in one reply.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ModelRequest } from '../../src/agent/model-messages.ts';
import type { ModelReply } from '../../src/agent/model-reply.ts';
import type { Responder } from '../../src/agent/model-server.ts';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';

const say = (text: string): ModelReply => ({ blocks: [{ type: 'text', text }] });
const bash = (command: string): ModelReply => ({
  blocks: [{ type: 'tool_use', name: 'Bash', input: { command, description: 'Works' } }],
});
const texts = ({ messages }: ModelRequest) => messages.map(({ text }) => text).join('\n');
const results = ({ messages }: ModelRequest) =>
  messages.flatMap(({ toolResults }) => toolResults.map(({ text }) => text));

/**
 * A model that works in steps: each appends its name to a file, then it says "finished". At a step named in `hangAt`
 * it never answers, once.
 */
function worksInSteps(steps: readonly string[], hangAt: Set<number>) {
  const hung: number[] = [];
  const respond: Responder = (request) => {
    const last = request.messages.at(-1);
    if (last?.text.includes('meanwhile')) return say('heard it meanwhile');
    if (last?.text.includes('look')) return bash('cat steps.txt');
    if (texts(request).includes('look')) return say(`steps: ${results(request).at(-1)?.trim()}`);
    const done = results(request).filter((text) => text.includes('did ')).length;
    if (hangAt.delete(done)) {
      hung.push(done);
      return { fault: 'hang' };
    }
    const step = steps[done];
    return step ? bash(`echo ${step} >> steps.txt; echo did ${step}`) : say('finished');
  };
  return { respond, hung };
}

async function systemWith(
  respond: Responder,
  settings: Record<string, unknown>,
  workers = 1,
): Promise<TestSystem> {
  const cwd = await mkdtemp(join(tmpdir(), 'hybrid-sessions-long-'));
  await writeFile(join(cwd, 'hybrid-sessions.config.json'), JSON.stringify(settings));
  const system = await startLocalSystem({ respond, cwd, workers });
  onTestFinished(async () => {
    await system.close();
    await rm(cwd, { recursive: true, force: true });
  });
  return system;
}

async function post(system: TestSystem, text: string): Promise<string> {
  const response = await system.call('/v1/chats/c/messages', {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'respond-async' },
    body: JSON.stringify({ text }),
  });
  return ((await response.json()) as { turn_id: string }).turn_id;
}

interface ChatView {
  readonly generation: number | null;
  readonly turns: readonly {
    readonly turn_id: string;
    readonly status: string;
    readonly updated_at: string;
    readonly reply: { readonly text: string; readonly outcome: string } | null;
  }[];
}
const chat = async (system: TestSystem) => (await (await system.call('/v1/chats/c')).json()) as ChatView;
const turn = async (system: TestSystem, id: string) =>
  (await chat(system)).turns.find(({ turn_id }) => turn_id === id);

/** Final events that a client following the turn's stream is shown. */
async function finals(system: TestSystem, id: string): Promise<number> {
  const stream = await (await system.call(`/v1/turns/${id}/events`)).text();
  return [...stream.matchAll(/^event: final$/gm)].length;
}

test(`${promise('LONG')} SIGTERM in the middle of a turn saves it; it goes on by itself, after what was written meanwhile`, async () => {
  const { respond, hung } = worksInSteps(['one', 'two'], new Set([1]));
  const system = await systemWith(respond, { checkpointEverySec: 0 });
  const long = await post(system, 'work in steps');
  await expect.poll(() => hung).toEqual([1]);
  const meanwhile = await post(system, 'said meanwhile');
  const [pid] = system.workerPids();
  process.kill(pid!, 'SIGTERM');
  await expect.poll(async () => (await turn(system, long))?.status).toBe('delivered');
  const [first, second] = (await chat(system)).turns;
  expect([first?.turn_id, second?.turn_id]).toEqual([long, meanwhile]);
  expect(first?.reply).toMatchObject({ text: 'finished', outcome: 'ok' });
  expect(second?.reply).toMatchObject({ text: 'heard it meanwhile', outcome: 'ok' });
  expect((second?.updated_at ?? '') <= (first?.updated_at ?? '')).toBe(true);
  expect(await finals(system, long)).toBe(1);
  expect((await system.say('c', 'look')).reply.text).toBe('steps: one\ntwo');
});

test(`${promise('LONG', 'UNBLOCK')} a worker killed in a long turn loses only what came after the last checkpoint`, async () => {
  const { respond, hung } = worksInSteps(['one', 'two', 'three'], new Set([2]));
  const system = await systemWith(respond, { checkpointEverySec: 0.3 });
  const long = await post(system, 'work in steps');
  await expect.poll(() => hung).toEqual([2]);
  const generation = (await chat(system)).generation ?? 0;
  await expect.poll(async () => (await chat(system)).generation).toBeGreaterThan(generation + 1);
  const [pid] = system.workerPids();
  process.kill(pid!, 'SIGKILL');
  const next = await post(system, 'said meanwhile');
  await expect.poll(async () => (await turn(system, next))?.status).toBe('delivered');
  expect((await turn(system, long))?.reply).toMatchObject({ text: 'finished', outcome: 'ok' });
  expect(await finals(system, long)).toBe(1);
  expect((await system.say('c', 'look')).reply.text).toBe('steps: one\ntwo\nthree');
});
