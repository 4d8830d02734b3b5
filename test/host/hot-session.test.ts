// A live CLI serves its session's next turn only where that is the same as starting from nothing. Each way to be wrong: the
// CLI is gone before anything else begins, and the turn starts anew from the head.
import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { familyUnder } from '../../src/agent/processes.ts';
import { promise } from '../../src/core/promises.ts';
import type { HotLimits } from '../../src/host/hot-hosts.ts';
import { detectSandbox, type Sandbox } from '../../src/host/sandbox/index.ts';
import type { SandboxedProcess } from '../../src/host/sandbox/sandbox.ts';
import { bash, EXAMPLE } from '../agent/turn-fixture.ts';
import { createHotFixture, type HotFixture } from './hot-fixture.ts';

const sandbox = await detectSandbox();
const KINDS: readonly Sandbox[] = [
  ...(sandbox.kind === 'bubblewrap' ? [sandbox] : []),
  { kind: 'none', reason: 'left out by the test', accepted: true },
];

const remember = 'echo first > said; export WORD=kept';
const recall = bash('cat said; echo $WORD');

describe.each(KINDS)('a live CLI, sandbox: $kind', (wall) => {
  let fixture: HotFixture;
  const open = async (hot?: Partial<HotLimits>, agentDir?: string) => {
    fixture = await createHotFixture({ sandbox: wall, ...(hot && { hot }), ...(agentDir && { agentDir }) });
    return fixture;
  };
  afterEach(() => fixture.close());

  /** The CLIs that live, as this machine counts. */
  async function clis(): Promise<number[]> {
    const hosts = fixture.started.map(({ link }) => (link.process as SandboxedProcess).pid);
    const pids = await familyUnder('none', hosts);
    return pids.filter((pid) => read(`/proc/${pid}/cmdline`).includes('claude-agent-sdk'));
  }
  async function standingStill(): Promise<number> {
    await expect.poll(async () => (await clis()).map(stateOf)).toEqual(['T']);
    return (await clis())[0]!;
  }

  /** The worker's half is the same for all: tried once. */
  const once = (name: string, body: () => Promise<void>): void => {
    if (wall === KINDS[0]) test(name, body);
  };

  test(`${promise('WHOLE')} serves the next turns, which find everything`, async () => {
    const { session, told } = await open();
    const { turn } = session();
    await turn(bash(remember));
    expect((await turn(recall)).text).toBe('first\nkept');
    expect((await turn('what was said?')).text).toMatch(/seen \d+/);
    expect(told).toEqual(['cold first', 'hot', 'hot']);
  });

  test('the head went on elsewhere: it is ended, and the turn knows what happened there', async () => {
    const { session, told, others } = await open();
    const { turn } = session();
    await turn(bash(remember));
    await turn(bash('echo second > said'), others);
    expect((await turn(recall)).text).toBe('second\nkept');
    // Without a wall both workers' hosts have one folder: whoever takes it ends the one that was there.
    const taken = wall.kind === 'none';
    const anew = taken ? ['ended died', 'cold first'] : ['ended head', 'cold head'];
    const before = ['cold first', ...(taken ? anew : ['cold first']), ...anew];
    expect(told).toEqual(before);
    // The other worker's one holds an older generation now.
    expect((await turn(recall, others)).text).toBe('second\nkept');
    expect(told.slice(before.length)).toEqual(anew);
  });

  once('the head moved back, also to another content of the same number', async () => {
    const { session, told } = await open();
    const { turn, head, moveHead } = session();
    await turn(bash(remember));
    const before = head();
    await turn(bash('echo undone > said'));
    moveHead(before);
    expect((await turn(recall)).text).toBe('first\nkept');
    expect(told).toEqual(['cold first', 'hot', 'ended head', 'cold head']);
    // Of generation 2, as the one that was undone.
    expect(head().generation).toBe(2);
    await turn(bash('echo third > said'));
    moveHead({ ...before, generation: head().generation });
    expect((await turn(recall)).text).toBe('first\nkept');
    expect(told.slice(4)).toEqual(['hot', 'ended head', 'cold head']);
  });

  once(
    `${promise('FORGET')} the conversation has a new session: nothing of the old one is left`,
    async () => {
      const { session, told } = await open();
      const { turn, renew } = session();
      await turn(bash(remember));
      renew();
      expect((await turn(bash('ls -A; echo "[$WORD]"'))).text).toBe('[]');
      expect(told).toEqual(['cold first', 'ended other-session', 'cold other-session']);
    },
  );

  once(`${promise('FORGET')} another session next has a host of its own, and finds nothing`, async () => {
    const { session, told } = await open();
    const [one, two] = [session(), session()];
    await one.turn(
      bash(`${remember}; echo planted > $HOME/.bashrc; echo planted > /tmp/planted-${one.id()}`),
    );
    const found = await two.turn(bash('ls -A . $HOME; echo "[$WORD]"'));
    expect(found.text).toMatch(/\[\]$/);
    expect(found.text).not.toMatch(/said|bashrc/);
    expect((await one.turn(recall)).text).toBe('first\nkept');
    expect(told).toEqual(['cold first', 'cold first', 'hot']);
    await rm(`/tmp/planted-${one.id()}`, { force: true });
  });

  once('the agent folder was changed: the next turn has the new one', async () => {
    const agentDir = await mkdtemp(join(tmpdir(), 'hot-agent-'));
    cpSync(EXAMPLE, agentDir, { recursive: true });
    // The sandbox's user is another one where root runs the tests.
    chmodSync(agentDir, 0o755);
    const { session, told, model } = await open({}, agentDir);
    const { turn } = session();
    await turn(bash(remember));
    writeFileSync(join(agentDir, 'system_prompt.md'), 'You are changed.');
    expect((await turn(recall)).text).toBe('first\nkept');
    expect(JSON.stringify(model.requests.at(-1)?.body)).toContain('You are changed.');
    expect(told).toEqual(['cold first', 'ended agent-folder', 'cold agent-folder']);
    await rm(agentDir, { recursive: true });
  });

  test('it was killed meanwhile', async () => {
    const { session, told } = await open();
    const { turn } = session();
    await turn(bash(remember));
    process.kill(await standingStill(), 'SIGKILL');
    expect((await turn(recall)).text).toBe('first\nkept');
    // Whether its end was heard before the next turn asked is chance.
    expect(told).toEqual(['cold first', 'ended died', expect.stringMatching(/^cold (?:died|first)$/)]);
  });

  test('its host was killed meanwhile', async () => {
    const { session, told, started } = await open();
    const { turn } = session();
    await turn(bash(remember));
    for (const host of started) host.link.kill();
    await Promise.all(started.map((host) => host.link.ended));
    expect((await turn(recall)).text).toBe('first\nkept');
    expect(told.slice(0, 2)).toEqual(['cold first', 'ended died']);
  });

  test('somebody let it go on meanwhile', async () => {
    const { session, told } = await open();
    const { turn } = session();
    await turn(bash(remember));
    process.kill(await standingStill(), 'SIGCONT');
    expect((await turn(recall)).text).toBe('first\nkept');
    // Whether its end was heard before the next turn asked is chance.
    expect(told).toEqual(['cold first', 'ended died', expect.stringMatching(/^cold (?:died|first)$/)]);
  });

  once('it grew over the limit of memory', async () => {
    const { session, told } = await open({ memoryBytes: 1_000_000 });
    const { turn } = session();
    await turn(bash(remember));
    await expect.poll(() => told).toEqual(['cold first', 'ended memory-limit']);
    await expect.poll(clis).toEqual([]);
    expect((await turn(recall)).text).toBe('first\nkept');
  });

  once('more than may stay: the least recently used goes', async () => {
    const { session, told } = await open({ sessions: 2 });
    const [one, two, three] = [session(), session(), session()];
    await one.turn(bash(remember));
    await two.turn(bash(remember));
    await one.turn(recall);
    await three.turn(bash(remember));
    expect(told).toEqual(['cold first', 'cold first', 'hot', 'cold first', 'ended count']);
    await one.turn(recall);
    await two.turn(recall);
    expect(told.slice(5)).toEqual(['hot', 'cold first', 'ended count']);
  });

  once('it was idle for longer than it may', async () => {
    const { session, told } = await open({ idleMs: 1 });
    const { turn } = session();
    await turn(bash(remember));
    await expect.poll(() => told).toEqual(['cold first', 'ended idle']);
    await expect.poll(clis).toEqual([]);
    expect((await turn(recall)).text).toBe('first\nkept');
  });

  once('the machine slept for hours: its clock says so, its timers do not', async () => {
    const { session, told, sleep } = await open();
    const { turn } = session();
    await turn(bash(remember));
    sleep(5 * 3_600_000);
    expect((await turn(recall)).text).toBe('first\nkept');
    expect(told).toEqual(['cold first', 'ended idle', 'cold idle']);
  });

  test('a file was changed behind its back', async () => {
    const { session, told } = await open();
    const { turn } = session();
    await turn(bash(remember));
    writeFileSync(`/proc/${await standingStill()}/cwd/said`, 'forged');
    expect((await turn(recall)).text).toBe('first\nkept');
    expect(told).toEqual(['cold first', 'ended files', 'cold files']);
  });
});

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function stateOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`);
  return stat[stat.lastIndexOf(')') + 2] ?? '';
}
