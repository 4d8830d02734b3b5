// The demo model: its rules by themselves, its server, and the example folder through the real CLI.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { intentOf } from '../../src/agent/demo/intent.ts';
import { createDemoModel, type DemoModel } from '../../src/agent/demo-model.ts';
import { createFixture, type Fixture } from './turn-fixture.ts';

let demo: DemoModel;
let fixture: Fixture;
beforeAll(async () => {
  demo = await createDemoModel();
  fixture = await createFixture({ model: demo.endpoint });
});
afterAll(async () => {
  await fixture.close();
  await demo.close();
});

describe('what it understands', () => {
  test.each([
    ['run: ls -la', 'Bash', { command: 'ls -la' }],
    ['$ echo hi', 'Bash', { command: 'echo hi' }],
    ['write a/b.md: one\ntwo', 'Write', { file_path: 'a/b.md', content: 'one\ntwo\n' }],
    ['read notes.md', 'Read', { file_path: 'notes.md' }],
    ['send notes.md', 'mcp__this_chat__send_file', { path: 'notes.md' }],
    ['todos', 'TaskList', {}],
    ['ask the reviewer to run: ls', 'Agent', { subagent_type: 'reviewer', prompt: 'run: ls' }],
    ['use the skill word-count on a.md', 'Skill', { skill: 'agent:word-count' }],
    ['roll a dice', 'mcp__dice__roll', { sides: 6, count: 1 }],
    ['roll 3d20', 'mcp__dice__roll', { sides: 20, count: 3 }],
  ])('%s', (text, name, input) => {
    expect(intentOf(text)).toMatchObject({ kind: 'tools', calls: [{ name, input }] });
  });

  test.each([
    ['what did I say?', 'recall'],
    ['What do you remember?', 'recall'],
    ['remember that I like tea', 'remember'],
    ['count to 5', 'count'],
    ['slowly: a b', 'slowly'],
    ['help', 'help'],
    ['good morning', 'other'],
    ['', 'other'],
  ])('%s: %s', (text, kind) => {
    expect(intentOf(text).kind).toBe(kind);
  });
});

test('answers whole and counts tokens, for clients that do not stream', async () => {
  const body = { model: 'x', max_tokens: 9, messages: [{ role: 'user', content: 'hello' }] };
  const ask = async (path: string, sent: unknown) => {
    const response = await fetch(demo.endpoint.baseUrl + path, {
      method: 'POST',
      body: JSON.stringify(sent),
    });
    return { status: response.status, body: await response.json() };
  };
  expect(await ask('/v1/messages', body)).toMatchObject({
    status: 200,
    body: {
      role: 'assistant',
      stop_reason: 'end_turn',
      content: [{ text: expect.stringMatching(/demo model/) }],
    },
  });
  expect(await ask('/v1/messages/count_tokens', body)).toMatchObject({
    body: { input_tokens: expect.any(Number) },
  });
  expect((await ask('/v1/messages', { messages: 1 })).status).toBe(400);
  expect((await ask('/v1/nothing', body)).status).toBe(404);
});

test('the example folder through the real CLI: subagent, skill, tool server, tasks and memory of the talk', async () => {
  const first = await fixture.turn('remember my cat is called Tom');
  expect(first).toMatchObject({ status: 'ok', demo: true, usage: { costUsd: 0 } });
  expect(first.text).toMatch(/demo model/);
  expect((await fixture.turn('write notes.md: one two three')).text).toBe('I wrote `notes.md`.');
  expect((await fixture.turn('use the skill word-count on notes.md')).text).toContain(
    'notes.md: 3 words, 1 lines, 1 min',
  );
  const asked = await fixture.turn('ask the reviewer to run: cat notes.md');
  expect(asked.text).toMatch(/reviewer` reports:\n\n(?:>.*\n)*> one two three/);
  expect(fixture.events.filter((event) => event.type === 'tool' && event.state === 'started')).toMatchObject([
    { summary: 'Subagent reviewer: Asked in the demo' },
    { summary: '↳ Bash: cat notes.md' },
  ]);
  expect((await fixture.turn('roll 2d6')).text).toMatch(/Rolled 2d6: \d, \d \(sum \d+\)/);
  await fixture.turn('todo: milk, bread');
  expect((await fixture.turn('todos')).text).toMatch(/milk[\s\S]*bread/);
  const recalled = await fixture.turn('what do you remember?');
  expect(recalled.text).toContain('my cat is called Tom');
  expect(recalled.text).not.toMatch(/demo model/);
});
