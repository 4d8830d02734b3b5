// An approval in a whole local system with the real Agent SDK: asked by one deployment, answered in the next by twenty
// presses at once, whose worker is then killed. The command runs exactly once in the session.
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ModelRequest } from '../../src/agent/model-messages.ts';
import type { Responder } from '../../src/agent/model-server.ts';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';

interface Question {
  readonly id: string;
}
interface Turn {
  readonly turn_id: string;
  readonly kind: string;
  readonly status: string;
  readonly reply: { readonly text: string; readonly code?: string } | null;
}

const results = ({ messages }: ModelRequest) =>
  messages.flatMap(({ toolResults }) => toolResults.map(({ text }) => text));

const send = async (system: TestSystem, path: string, body: object) => {
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' };
  const response = await system.call(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return ((await response.json()) as { turn_id: string }).turn_id;
};
const chat = async (system: TestSystem) =>
  ((await (await system.call('/v1/chats/c')).json()) as { turns: readonly Turn[] }).turns;
const questions = async (system: TestSystem) =>
  ((await (await system.call('/v1/chats/c/questions')).json()) as { questions: readonly Question[] })
    .questions;

test(`${promise('ASK', 'ONCE-IN', 'ONCE-OUT')} asked by one deployment, answered twenty times in the next, worker killed: it runs once`, async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'hybrid-sessions-ask-'));
  const agentDir = join(cwd, 'agent');
  await mkdir(agentDir);
  await writeFile(join(agentDir, 'system_prompt.md'), 'You are a test.\n');
  const settings = { tools: { allow: ['Read', 'Bash'], ask: ['Bash(echo *)'] }, sandbox: 'off' };
  await writeFile(join(agentDir, 'settings.json'), JSON.stringify(settings));
  const config = { checkpointEverySec: 0 };
  await writeFile(join(cwd, 'hybrid-sessions.config.json'), JSON.stringify(config));
  const dataDir = join(cwd, 'data');
  onTestFinished(() => rm(cwd, { recursive: true, force: true }));

  let isHung = false;
  const respond: Responder = (request) => {
    const done = results(request);
    if (request.messages.at(-1)?.text.includes('look')) {
      return { blocks: [{ type: 'tool_use', name: 'Read', input: { file_path: 'log.txt' } }] };
    }
    if (done.length === 0) {
      const input = { command: 'echo ran >> log.txt; echo it-ran', description: 'Works' };
      return {
        blocks: [
          { type: 'text', text: 'I would like to.' },
          { type: 'tool_use', name: 'Bash', input },
        ],
      };
    }
    if (!isHung) {
      isHung = true;
      return { fault: 'hang' };
    }
    return { blocks: [{ type: 'text', text: `results: ${done.join('|')}` }] };
  };

  const before = await startLocalSystem({ respond, agentDir, cwd, dataDir });
  const asking = await before.say('c', 'Do it.');
  expect(asking.reply.text).toMatch(/I would like to\..*echo ran/s);
  const [question] = await questions(before);
  await before.close();

  // Another version of the agent, another server and other processes.
  await appendFile(join(agentDir, 'system_prompt.md'), '\nYou are of another version now.\n');
  const system = await startLocalSystem({ respond, agentDir, cwd, dataDir });
  onTestFinished(() => system.close());
  const path = `/v1/chats/c/questions/${question?.id}`;
  const presses = await Promise.all(
    Array.from({ length: 20 }, () => send(system, path, { decision: 'once' })),
  );
  await expect.poll(() => isHung).toBe(true);
  // The command has run, and nothing of it is saved: the next attempt begins with the session as it was when it asked.
  process.kill(system.workerPids()[0]!, 'SIGKILL');
  await expect
    .poll(async () => (await chat(system)).filter(({ status }) => status !== 'delivered').length)
    .toBe(0);

  const answers = (await chat(system)).filter(({ kind }) => kind === 'answer');
  expect(answers.map(({ turn_id }) => turn_id).sort()).toEqual([...presses].sort());
  const [first, ...others] = answers;
  expect(first?.reply?.text).toMatch(/^results: it-ran/);
  for (const { reply } of others) expect(reply).toMatchObject({ code: 'already-answered' });
  expect(await questions(system)).toEqual([]);
  const looked = await system.say('c', 'look');
  expect(looked.reply.text.match(/\bran\b/g)).toHaveLength(1 + 1);
});
