// Gates: scripts of the agent folder that decide, without a model, whether a wake-up wakes the agent. Through server, worker process,
// host and the real CLI.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import type { Responder } from '../../testing/model/scripted-model.ts';
import { until } from '../waiting.ts';

const GATES = {
  closed: 'echo nothing new; exit 1',
  // What it notes stays with the session.
  letters: 'echo seen >> seen.txt; echo "letters: $(wc -l < seen.txt | tr -d " ")"; echo "$SCHEDULE_NAME"',
  broken: 'echo boom >&2; exit 3',
  hangs: 'sleep 1000 & sleep 1000',
  // Only what it needs: nothing that opens anything.
  nosy: 'env | grep -i -E "anthropic|api_key|token|secret|_url=" && exit 3; exit 1',
} as const;

const agentDir = await mkdtemp(join(tmpdir(), 'hybrid-sessions-gates-'));
let system: TestSystem;
beforeAll(async () => {
  await writeFile(join(agentDir, 'system_prompt.md'), 'You look at letters.');
  const settings = { tools: { allow: [] }, timeLimits: { gateSec: 2 } };
  await writeFile(join(agentDir, 'settings.json'), JSON.stringify(settings));
  await mkdir(join(agentDir, 'gates'));
  for (const [name, script] of Object.entries(GATES)) {
    const file = join(agentDir, 'gates', name);
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
  }
  await chmod(agentDir, 0o755);
  system = await startLocalSystem({ respond, agentDir });
});
afterAll(async () => {
  await system?.close();
  await rm(agentDir, { recursive: true, force: true });
});

const seen: string[] = [];
/** "plan GATE" schedules in a moment behind that gate; anything else is answered. */
const respond: Responder = (request) => {
  const last = request.messages.findLast(({ text, toolResults }) => text !== '' || toolResults.length > 0);
  const words = JSON.stringify(last);
  seen.push(words);
  const gate = /plan ([a-z-]+)/.exec(last?.text ?? '')?.[1];
  if (gate === undefined) {
    return { blocks: [{ type: 'text', text: words.includes('"toolResults":[{') ? words : 'looked' }] };
  }
  const at = new Date(Date.now() + 1_500).toISOString();
  const input = { action: 'create', name: `mail by ${gate}`, text: 'look at the mail', at, gate };
  return { blocks: [{ type: 'tool_use', name: 'mcp__hybrid_sessions__schedule', input }] };
};

interface Turn {
  readonly kind: string;
  readonly status: string;
  readonly reply: { readonly text: string; readonly outcome: string; readonly code?: string } | null;
}

/** Plans behind the gate in a chat of its own, and waits for what comes of it. */
async function wakeUp(gate: string) {
  const planned = await system.say(gate, `plan ${gate}`);
  expect(planned.reply.text).toContain('is scheduled when this turn ends');
  const before = seen.length;
  const turn = await until(async () => {
    const { turns } = (await (await system.call(`/v1/chats/${gate}`)).json()) as { turns: Turn[] };
    return turns.find(({ kind, status }) => kind === 'wake' && status === 'delivered');
  });
  const outcome = await until(async () => {
    const { schedules } = (await (await system.call(`/v1/chats/${gate}/schedules`)).json()) as {
      schedules: { gate: string; runs: { outcome: string }[] }[];
    };
    return schedules[0]?.runs[0]?.outcome;
  });
  return { reply: turn.reply, outcome, asked: seen.slice(before) };
}

test('a closed one: the agent is not woken, and the run log says so', async () => {
  const { reply, outcome, asked } = await wakeUp('closed');
  expect(reply).toMatchObject({ outcome: 'ok', code: 'gate-closed', text: 'nothing new' });
  expect(outcome).toBe('gate-closed');
  expect(asked).toEqual([]);
  // And the conversation goes on.
  expect((await system.say('closed', 'hello')).reply.text).toBe('looked');
});

test('an open one: the agent is told what the script printed', async () => {
  const { reply, outcome, asked } = await wakeUp('letters');
  expect(reply).toMatchObject({ outcome: 'ok', text: 'looked' });
  expect(outcome).toBe('ok');
  const woken = asked.find((words) => words.includes('look at the mail'));
  expect(woken).toMatch(/what_the_check_before_it_printed.+letters: 1.+mail by letters/);
});

test('one that fails, or does not end: the person reads why, and the agent is not woken', async () => {
  const broken = await wakeUp('broken');
  expect(broken.reply).toMatchObject({ outcome: 'failed', code: 'gate-failed' });
  expect(broken.reply?.text).toContain(
    'The gate `broken` of “mail by broken” failed, so I was not woken. It ended with exit code 3. boom',
  );
  const hanging = await wakeUp('hangs');
  expect(hanging.reply?.text).toContain('It did not end within 2 s.');
  expect([broken.outcome, hanging.outcome]).toEqual(['gate-failed', 'gate-failed']);
  expect([...broken.asked, ...hanging.asked]).toEqual([]);
});

test('it has no key, no token and no address of a model', async () => {
  expect((await wakeUp('nosy')).outcome).toBe('gate-closed');
});

test('one that the agent folder does not have is refused when it is asked for', async () => {
  const planned = await system.say('none', 'plan unknown');
  expect(planned.reply.text).toContain(
    'there is no gate “unknown”. Gates: broken, closed, hangs, letters, nosy.',
  );
});
