// The two ways in which the CLI asks whether a call may run: a hook, and where it has not heard of the hook yet or would not
// wait for it, a question of its own. Both give one verdict, and an answer of people is used up once.
import { join } from 'node:path';
import type { Options } from '@anthropic-ai/claude-agent-sdk';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { type AgentFolder, loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { createAsking, hashOf } from '../../src/agent/asking-policy.ts';
import { queryOptions } from '../../src/agent/query-options.ts';
import type { DecidedCall } from '../../src/core/asked-call.ts';
import { createFixture, EXAMPLE, NO_SANDBOX, requestOf } from './turn-fixture.ts';

const command = { command: 'npm publish', description: 'Publishes' };
const held: DecidedCall = {
  ...{ id: 'toolu_1', tool: 'Bash', title: 'Bash: npm publish', waits: 'held', verdict: 'allow' },
  ...{ hash: hashOf({ tool: 'Bash', input: command }), by: { channel: 'http', id: null } },
};

let folder: AgentFolder;
beforeEach(async () => {
  const example = await loadAgentFolder(EXAMPLE);
  folder = { ...example, settings: { ...example.settings, tools: { allow: ['Read'], ask: ['Bash'] } } };
});

async function gate(calls: readonly DecidedCall[]) {
  const fixture = await createFixture({ folder });
  onTestFinished(() => fixture.close());
  const { directory, lease } = fixture;
  const run = {
    ...{ directory, sessionId: lease.sessionId, request: requestOf('Allow once', 'press') },
    decided: { calls: [...calls], granted: [] },
  };
  const asking = createAsking(folder, run);
  const agent = join(directory.root, 'agent');
  const { hooks, canUseTool }: Options = await queryOptions({
    ...{ run, asking, folder, mark: null, relocation: null, environment: {} },
    ...{ model: { demo: false }, sandbox: NO_SANDBOX, laid: { agent, shellWrapper: 'none' } },
    spawn: () => {
      throw new Error('Nothing is started here.');
    },
  });
  const signal = new AbortController().signal;
  return {
    asking,
    ask: (id: string) => canUseTool!('Bash', { ...command }, { signal, toolUseID: id, requestId: id }),
    hook: async (id: string) => {
      const input = {
        ...{
          hook_event_name: 'PreToolUse' as const,
          tool_use_id: id,
          tool_name: 'Bash',
          tool_input: command,
        },
        ...{ cwd: directory.workspace, session_id: '', transcript_path: '' },
      };
      return (await hooks!.PreToolUse![0]!.hooks[0]!(input, id, { signal })) as {
        readonly hookSpecificOutput: { readonly permissionDecision: string };
      };
    },
  };
}

test('a held call that was allowed runs, whichever way the CLI asks, and asks nobody again', async () => {
  for (const order of ['asked first', 'hook first'] as const) {
    const { asking, ask, hook } = await gate([held]);
    if (order === 'asked first') expect(await ask('toolu_1')).toMatchObject({ behavior: 'allow' });
    expect(await hook('toolu_1')).toMatchObject({ hookSpecificOutput: { permissionDecision: 'allow' } });
    expect(await ask('toolu_1')).toMatchObject({ behavior: 'allow' });
    expect(asking.asked()).toBeNull();
  }
});

test('a held call that was denied does not, with the reason', async () => {
  const { ask } = await gate([{ ...held, verdict: 'deny', reason: 'Not today.' }]);
  expect(await ask('toolu_1')).toMatchObject({ behavior: 'deny', message: 'Not today.' });
});

test('a call that nothing has judged is refused', async () => {
  const { ask } = await gate([held, { ...held, id: 'toolu_2', waits: 'again' }]);
  expect(await ask('toolu_9')).toMatchObject({ behavior: 'deny' });
  expect(await ask('toolu_2')).toMatchObject({ behavior: 'deny' });
});
