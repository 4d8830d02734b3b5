// What holds between two turns of a live CLI, and what makes it end at the first of them: nothing of the turn runs or lies
// about, what it wrote late is in the save, and what a new CLI would not know, or know otherwise, is a reason to start anew.
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { familyUnder } from '../../src/agent/processes.ts';
import { promise } from '../../src/core/promises.ts';
import { detectSandbox, type Sandbox } from '../../src/host/sandbox/index.ts';
import type { SandboxedProcess } from '../../src/host/sandbox/sandbox.ts';
import { bash, call, EXAMPLE } from '../agent/turn-fixture.ts';
import { createHotFixture, type HotFixture } from './hot-fixture.ts';

const sandbox = await detectSandbox();
/** Without a namespace only what carries the mark is found. */
const WALLED: Sandbox | null = sandbox.kind === 'bubblewrap' ? sandbox : null;
const MEMORY = '/tmp/.claude-code/projects/session/memory/MEMORY.md';

describe.skipIf(!WALLED)('between two turns', () => {
  let fixture: HotFixture;
  const open = async (more: { readonly agentDir?: string } = {}) => {
    fixture = await createHotFixture({ sandbox: WALLED!, ...more });
    return fixture;
  };
  afterEach(() => fixture.close());

  async function running(): Promise<string[]> {
    const hosts = fixture.started.map(({ link }) => (link.process as SandboxedProcess).pid);
    const pids = await familyUnder('none', hosts);
    return pids.map((pid) => `${stateOf(pid)} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
  }

  test(`${promise('FORGET', 'NO-SECRETS')} nothing of a turn runs, and nothing but its state is found in the next`, async () => {
    const { session, told } = await open();
    const { turn } = session();
    const plant = [
      'echo planted > $HOME/.bashrc; mkdir -p $HOME/.config && echo planted > $HOME/.config/x',
      'echo planted > $TMPDIR/x; echo planted > /tmp/x; echo planted > /dev/shm/x',
      'mkdir -p $CLAUDE_CONFIG_DIR/hooks && echo planted > $CLAUDE_CONFIG_DIR/hooks/x; echo planted > $CLAUDE_CONFIG_DIR/CLAUDE.md',
      '(setsid env -i sleep 300 >/dev/null 2>&1 &); (sleep 301 >/dev/null 2>&1 &) ; true',
    ];
    await turn(bash(plant.join('; ')));
    const ours = async () => (await running()).filter((line) => /claude-agent-sdk|dice/.test(line));
    await expect.poll(async () => (await ours()).map((line) => line[0]).join('')).toMatch(/^TT+$/);
    expect((await running()).join('\n')).not.toMatch(/sleep 30/);
    const found = await turn(
      bash(
        'cat $HOME/.bashrc $HOME/.config/x $TMPDIR/x /tmp/x /dev/shm/x $CLAUDE_CONFIG_DIR/hooks/x $CLAUDE_CONFIG_DIR/CLAUDE.md 2>/dev/null; cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -c "sleep 30[01]"; echo "$ANTHROPIC_API_KEY"',
      ),
    );
    expect(found.text.replaceAll(/\s/g, '')).toMatch(/^[01]$/);
    expect(found.text).not.toContain('planted');
    expect(told).toEqual(['cold first', 'hot']);
  });

  test(`${promise('NO-SECRETS')} what one turn showed the model is worth nothing in another`, async () => {
    const { session, model } = await open();
    const { turn } = session();
    const tokens = new Set<unknown>();
    for (const text of ['one', 'two', 'three']) {
      await turn(text);
      tokens.add(model.requests.at(-1)?.headers['x-api-key']);
    }
    // The scripted model stands behind the gateway, which shows the real key; the agent finds neither that nor a turn's token.
    expect([...tokens]).toEqual(['sk-real-key']);
    const found = await turn(bash('cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n"'));
    expect(found.text).not.toContain('sk-real-key');
  });

  test('files that come late are in the save', async () => {
    const { session, told, state } = await open();
    const { turn, head } = session();
    const file = '/tmp/workspace/large';
    await turn(call({ name: 'Write', input: { file_path: file, content: 'small\n' } }));
    // Its copy is made for the next message, while the model answers at once.
    await turn(bash('head -c 40000000 /dev/urandom >> large; echo grown'));
    await turn('say something');
    expect(told).toEqual(['cold first', 'hot', 'hot']);
    const root = await mkdtemp(join(tmpdir(), 'hot-late-'));
    const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
    await state.restore(head(), directory);
    const transcript = read(join(directory.config, 'projects', 'session', `${head().sessionId}.jsonl`));
    const noted = transcript.split('\n').flatMap((line) => {
      if (!line.includes('"file-history-snapshot"')) return [];
      const { snapshot } = JSON.parse(line) as {
        snapshot: { trackedFileBackups: Record<string, { version: number }> };
      };
      return [Object.values(snapshot.trackedFileBackups)[0]?.version ?? 0];
    });
    await rm(root, { recursive: true });
    expect(noted).toHaveLength(3);
    expect(noted.at(-1)).toBeGreaterThan(noted.at(-2)!);
  });

  test.each([
    ['directory', bash('mkdir -p sub; cd sub')],
    ['memory', call({ name: 'Write', input: { file_path: MEMORY, content: 'note' } })],
    ['repository', bash('git init -q .')],
    ['surroundings', bash('chmod u+w /tmp/agent/shell.sh; echo "# planted" >> /tmp/agent/shell.sh')],
    ['surroundings', bash(`echo '{"env":{"PLANTED":"1"}}' > $CLAUDE_CONFIG_DIR/.claude.json`)],
    ['processes', bash('pkill -f dice.mjs; true')],
  ])('a new CLI would differ: %s', async (why, text) => {
    const { session, told } = await open();
    const { turn } = session();
    await turn('hello');
    await turn(text);
    expect((await turn(bash('echo fine'))).text).toBe('fine');
    await expect.poll(() => told.slice(0, 4)).toEqual(['cold first', 'hot', `ended ${why}`, 'cold first']);
  });

  test('each message has the whole of maxTurns', async () => {
    const agentDir = await mkdtemp(join(tmpdir(), 'hot-agent-'));
    await cp(EXAMPLE, agentDir, { recursive: true });
    await chmod(agentDir, 0o755);
    const settings = JSON.parse(readFileSync(join(EXAMPLE, 'settings.json'), 'utf8')) as object;
    await writeFile(join(agentDir, 'settings.json'), JSON.stringify({ ...settings, maxTurns: 2 }));
    const { session, told } = await open({ agentDir });
    const { turn } = session();
    for (const word of ['one', 'two', 'three']) {
      expect(await turn(bash(`echo ${word}`))).toMatchObject({ status: 'ok', text: word });
    }
    expect(told).toEqual(['cold first', 'hot', 'hot']);
    await rm(agentDir, { recursive: true });
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
