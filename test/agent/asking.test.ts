// Calls that people decide about, with the real CLI: the run ends without them, nothing waits, and the answer goes on with
// exactly them, in another process over the same files.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type AgentFolder, loadAgentFolder } from '../../src/agent/agent-folder.ts';
import type { ModelReply } from '../../src/agent/model-reply.ts';
import type { Asked, AskedCall, Decided, DecidedCall } from '../../src/core/asked-call.ts';
import { promise } from '../../src/core/promises.ts';
import type { NoSandbox } from '../../src/host/sandbox/index.ts';
import { createFixture, EXAMPLE, type Fixture } from './turn-fixture.ts';

async function folderWith(settings: Partial<AgentFolder['settings']>): Promise<AgentFolder> {
  const folder = await loadAgentFolder(EXAMPLE);
  return { ...folder, settings: { ...folder.settings, ...settings } };
}

/** The model makes these calls, each list in one message, and then says what all of them returned. */
async function fixtureThatAsks(
  settings: Partial<AgentFolder['settings']>,
  ...messages: readonly (readonly ToolCall[])[]
): Promise<Fixture> {
  const fixture = await createFixture({ folder: await folderWith(settings) });
  onTestFinished(() => fixture.close());
  let answers = 0;
  fixture.model.respondWith(({ messages: said }): ModelReply => {
    const calls = messages[answers];
    answers += 1;
    if (calls) return { blocks: calls.map((call) => ({ type: 'tool_use', ...call })) };
    const results = said.flatMap(({ toolResults }) => toolResults.map(({ text }) => text));
    return { blocks: [{ type: 'text', text: `${results.join('|')}|${said.at(-1)?.text ?? ''}` }] };
  });
  return fixture;
}

interface ToolCall {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

const ASK_BASH = { tools: { allow: ['Read', 'Write', 'Bash'], ask: ['Bash(echo *)'] } };
const logOf = ({ directory }: Fixture) =>
  readFile(join(directory.workspace, 'log'), 'utf8').catch(() => null);
const append = (word: string, description = 'test'): ToolCall => ({
  name: 'Bash',
  input: { command: `echo ${word} >> log; echo out-${word}`, description },
});

function answersTo(
  { calls }: Asked,
  verdict: (call: AskedCall) => Partial<DecidedCall> = () => ({}),
  by: DecidedCall['by'] = { channel: 'http', id: null },
): Decided {
  const decided = calls.map((call) => {
    const { id, tool, title, hash, waits } = call;
    return { id, tool, title, hash, waits, by, verdict: 'allow' as const, ...verdict(call) };
  });
  return { calls: decided, granted: [] };
}

const denied = (reason: string) => () => ({ verdict: 'deny' as const, reason });

describe('a call that people decide about', () => {
  test(`${promise('ASK')} ends the turn without running, and runs exactly once after it was allowed`, async () => {
    const fixture = await fixtureThatAsks(ASK_BASH, [append('one')]);
    const first = await fixture.turn('Do it.');
    expect(first).toMatchObject({ status: 'ok', asked: { approvers: null, expiresAfterSec: null } });
    expect(first.asked?.calls).toMatchObject([
      { tool: 'Bash', waits: 'held', covers: 'call', detail: 'echo one >> log; echo out-one' },
    ]);
    expect(await logOf(fixture)).toBeNull();
    const second = await fixture.turn('Allow once', { decided: answersTo(first.asked!) });
    expect(second).toMatchObject({ status: 'ok', text: expect.stringContaining('out-one') });
    expect(second.asked).toBeUndefined();
    expect(await logOf(fixture)).toBe('one\n');
    // Who watches sees the call that runs now, and a crash behind it knows that a tool has run.
    expect(fixture.events.filter(({ type }) => type === 'tool')).toMatchObject([
      { state: 'started', name: 'Bash' },
      { state: 'done', result: 'out-one' },
    ]);
    expect(await fixture.turn('Anything left?')).toMatchObject({ status: 'ok' });
    expect(await logOf(fixture)).toBe('one\n');
  });

  test('is not run when it was denied, and the agent reads why', async () => {
    const fixture = await fixtureThatAsks(ASK_BASH, [append('one')]);
    const first = await fixture.turn('Do it.');
    const decided = answersTo(first.asked!, denied('Not on a Friday.'));
    const second = await fixture.turn('Deny', { decided });
    expect(second).toMatchObject({ status: 'ok', text: expect.stringContaining('Not on a Friday.') });
    expect(await logOf(fixture)).toBeNull();
  });

  test('is denied by a message instead of an answer, which costs one request as any message', async () => {
    const fixture = await fixtureThatAsks(ASK_BASH, [append('one')]);
    await fixture.turn('Do it.');
    const before = fixture.model.requests.length;
    const second = await fixture.turn('Forget it, tell me the time.');
    expect(second.text).toMatch(/went on without allowing it.*Forget it, tell me the time/s);
    expect(fixture.model.requests.length).toBe(before + 1);
    expect(await logOf(fixture)).toBeNull();
  });

  test('several in one message are asked together; each has its result, and none runs twice', async () => {
    const free = { name: 'Bash', input: { command: 'true', description: 'test' } };
    const fixture = await fixtureThatAsks(
      ASK_BASH,
      [free, append('one'), append('two'), append('three'), free],
      // Words that only describe a call may change.
      [append('three', 'again'), append('two')],
      [append('two')],
    );
    const first = await fixture.turn('Do it.');
    const calls = first.asked?.calls ?? [];
    expect(calls.map(({ waits }) => waits)).toEqual(['held', 'again', 'again']);
    const isTwo = (call: AskedCall) => call.detail.includes('two');
    const decided = answersTo(first.asked!, (call) => (isTwo(call) ? denied('Not two.')() : {}));
    const second = await fixture.turn('Answer', { decided });
    expect(await logOf(fixture)).toBe('one\nthree\n');
    // What was decided holds once: the same call made again is asked again.
    expect(second.asked?.calls.map(({ detail }) => detail)).toEqual([append('two').input.command]);
    const third = await fixture.turn('Anything else');
    expect(third.text).toMatch(/out-one.*out-three.*Not two\./s);
  });

  test('goes on where a part of the turn was cut off, and does not run again', async () => {
    const fixture = await fixtureThatAsks(ASK_BASH, [append('one'), append('two')], [append('two')]);
    const first = await fixture.turn('Do it.');
    const decided = answersTo(first.asked!);
    await fixture.turn('Allow once', { decided });
    expect(await logOf(fixture)).toBe('one\ntwo\n');
    const again = await fixture.turn('Allow once', { decided, continuing: true });
    expect(again.text).toContain('Go on where you were');
    expect(await logOf(fixture)).toBe('one\ntwo\n');
  });

  test('what was allowed for the chat runs without asking: this command, and no other', async () => {
    const fixture = await fixtureThatAsks(ASK_BASH, [append('one')], [append('one')], [append('two')]);
    const first = await fixture.turn('Do it.');
    const { hash = '' } = first.asked?.calls[0] ?? {};
    const granted = [{ tool: 'Bash', hash }];
    const next = await fixture.turn('Allow', { decided: { ...answersTo(first.asked!), granted } });
    expect(await logOf(fixture)).toBe('one\none\n');
    expect(next.asked?.calls.map(({ detail }) => detail)).toEqual([append('two').input.command]);
  });

  test('is not run on the word of somebody whom the folder does not name any more', async () => {
    const approvals = { approvers: ['telegram/1'] };
    const fixture = await fixtureThatAsks({ ...ASK_BASH, approvals }, [append('one')]);
    const first = await fixture.turn('Do it.');
    expect(first.asked?.approvers).toEqual(['telegram/1']);
    const decided = answersTo(first.asked!, undefined, { channel: 'telegram', id: '2' });
    const second = await fixture.turn('Allow once', { decided });
    expect(second.text).toContain('may not do so any more');
    expect(await logOf(fixture)).toBeNull();
  });

  test('whose tool is gone is told so, and the conversation goes on', async () => {
    const fixture = await fixtureThatAsks(ASK_BASH, [append('one')]);
    const first = await fixture.turn('Do it.');
    const folder = await folderWith({ tools: { allow: ['Read'] } });
    const decided = answersTo(first.asked!);
    const second = await fixture.turn('Allow once', { decided, runner: { folder } });
    expect(second).toMatchObject({ status: 'ok', text: expect.stringContaining('no such tool any more') });
  });

  test('of a subagent is sent back to the main conversation', async () => {
    const agent = {
      name: 'Agent',
      input: { description: 'helps', prompt: 'Do it.', subagent_type: 'general-purpose' },
    };
    const settings = { tools: { allow: ['Agent', 'Read'], ask: ['Bash'] } };
    const fixture = await fixtureThatAsks(settings, [agent], [append('one')]);
    const first = await fixture.turn('Do it.');
    expect(first).toMatchObject({ status: 'ok' });
    expect(first.asked).toBeUndefined();
    expect(JSON.stringify(fixture.model.requests.at(-2))).toContain('in the main conversation');
    expect(await logOf(fixture)).toBeNull();
  });
});

test('a question of the agent gets its answer', async () => {
  const question = {
    question: 'Which color?',
    header: 'Color',
    multiSelect: false,
    options: [
      { label: 'Red', description: 'warm' },
      { label: 'Blue', description: 'cold' },
    ],
  };
  const ask = { name: 'AskUserQuestion', input: { questions: [question] } };
  const fixture = await fixtureThatAsks({ tools: { allow: ['AskUserQuestion'] } }, [ask]);
  const first = await fixture.turn('Paint it.');
  const { header, ...choice } = question;
  expect(first.asked?.calls).toMatchObject([
    { choices: [{ question: choice.question, options: choice.options, multiple: false }] },
  ]);
  const decided = answersTo(first.asked!, () => ({ answers: { 'Which color?': 'A dark green' } }));
  const second = await fixture.turn('A dark green', { decided });
  expect(second).toMatchObject({ status: 'ok', text: expect.stringContaining('A dark green') });
});

describe('without a wall', () => {
  const bare: NoSandbox = { kind: 'none', reason: 'no bubblewrap' };
  const settings = { tools: { allow: ['Bash'] } };

  test('what would reach the machine is asked of whoever holds the key of the server', async () => {
    const fixture = await fixtureThatAsks(settings, [append('one')]);
    const first = await fixture.turn('Do it.', { runner: { sandbox: bare } });
    expect(first.asked?.calls).toMatchObject([{ tool: 'Bash' }]);
    await fixture.turn('Allow', { decided: answersTo(first.asked!), runner: { sandbox: bare } });
    expect(await logOf(fixture)).toBe('one\n');
  });

  test('nobody in a chat may allow it to themselves', async () => {
    const fixture = await fixtureThatAsks(settings, [append('one')]);
    const sender = { id: '42', name: 'Ann' };
    const first = await fixture.turn('Do it.', { sender, runner: { sandbox: bare } });
    expect(first.asked).toBeUndefined();
    expect(first.text).toContain('Bash is refused');
  });
});
