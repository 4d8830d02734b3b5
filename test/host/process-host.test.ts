// Turns in a host process on this machine: the real CLI, in the sandbox as a whole, over the line, with what it saved checked
// and stored by this side.
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { createModelAccess } from '../../src/agent/model-access.ts';
import { createWorkplace } from '../../src/agent/workplace.ts';
import { silentLog } from '../../src/core/log.ts';
import type { AgentHost } from '../../src/core/ports/hosts.ts';
import { promise } from '../../src/core/promises.ts';
import type { SessionHead } from '../../src/core/records.ts';
import { openLocalHosts } from '../../src/host/local-hosts.ts';
import { createProcessHosts, type ProcessHosts } from '../../src/host/process-hosts.ts';
import { detectSandbox, type Sandbox } from '../../src/host/sandbox/index.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { bash, EXAMPLE, leaseOf, obey, requestOf } from '../agent/turn-fixture.ts';

const limits = { maxWorkspaceBytes: 50_000_000, maxWorkspaceFiles: 10_000 };
const sandbox = await detectSandbox();
const KINDS: readonly Sandbox[] = [
  ...(sandbox.kind === 'bubblewrap' ? [sandbox] : []),
  { kind: 'none', reason: 'left out by the test', accepted: true },
];

describe.each(KINDS)('host process, sandbox: $kind', (wall) => {
  let base: string;
  let model: ScriptedModel;
  let hosts: ProcessHosts;
  const objects = createMemoryObjectStore();
  const state = createSessionState({ objects, limits });

  beforeAll(async () => {
    base = await realpath(await mkdtemp(join(tmpdir(), 'hosts-')));
    model = await createScriptedModel(obey);
    const root = join(base, 'turns');
    hosts = createProcessHosts({
      start: openLocalHosts({
        sandbox: wall,
        root,
        workplace: createWorkplace({ root }),
        objects,
        agentDir: EXAMPLE,
        limits,
        network: 'open',
        log: silentLog,
      }),
      objects,
      state,
      limits,
      access: createModelAccess({
        folder: await loadAgentFolder(EXAMPLE),
        model: { baseUrl: model.url, apiKey: 'sk-real-key', demo: false },
      }),
      spares: 1,
      log: silentLog,
    });
  });
  afterAll(async () => {
    await hosts.close();
    await model.close();
    expect(existsSync(join(base, 'turns')) ? readdirSync(join(base, 'turns')) : []).toEqual([]);
    await rm(base, { recursive: true });
  });

  function session() {
    const lease = leaseOf(randomUUID());
    let head: SessionHead = {
      ...lease,
      generation: 0,
      state: null,
      createdAtMs: 0,
      updatedAtMs: 0,
      expiresAtSec: 2 ** 31,
    };
    let turns = 0;
    const run = (host: AgentHost, text: string, signal = new AbortController().signal) =>
      host.run({
        sessionId: lease.sessionId,
        resume: head.generation > 0,
        continuing: false,
        request: requestOf(text, `m${++turns}`),
        tries: 1,
        progress: () => {},
        signal,
      });
    async function save(host: AgentHost, running = false): Promise<void> {
      const generation = head.generation + 1;
      const saved = await host.save({ head, generation, running });
      expect(saved.refused).toEqual([]);
      head = { ...head, generation, state: saved.state };
    }
    return {
      lease,
      run,
      save,
      head: () => head,
      async turn(text: string) {
        const host = await hosts.open(lease, head);
        const outcome = await run(host, text);
        await save(host);
        await host.close({ keep: false });
        return outcome;
      },
    };
  }

  test(`${promise('WHOLE')} the next turn finds what the last one left, in another host`, async () => {
    const { turn } = session();
    const first = await turn(bash('cd "$(mktemp -d -p .)" && export WORD=kept && echo text > file && pwd'));
    expect(first).toMatchObject({ status: 'ok' });
    const second = await turn(bash('pwd; cat file; echo $WORD'));
    expect(second.text).toBe(`${first.text}\ntext\nkept`);
  });

  test(`${promise('FORGET', 'NO-SECRETS')} another session finds neither files, nor processes, nor the key`, async () => {
    const planted = session();
    await planted.turn(
      bash('echo planted > secret; echo planted > $HOME/.bashrc; (setsid env -i sleep 300 &) ; true'),
    );
    const { turn } = session();
    const found = await turn(
      bash(
        'ls -A . $HOME; env; cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n"; cat /proc/*/cmdline 2>/dev/null | tr "\\0" " "',
      ),
    );
    expect(found.status).toBe('ok');
    expect(found.text).not.toContain('sk-real-key');
    if (wall.kind === 'none') return;
    expect(found.text).not.toContain('planted');
    expect(found.text).not.toContain('sleep 300');
  });

  // Elsewhere only what carries the mark is found.
  if (wall.kind === 'bubblewrap')
    test(`${promise('FORGET', 'MOMENT')} what hides from the turn's mark is gone when the turn ends, before it is saved`, async () => {
      const { lease, run, save, head, turn } = session();
      const host = await hosts.open(lease, head());
      const hidden = 'while sleep 0.05; do date +%s%N > late; done';
      await run(host, bash(`(setsid env -i /bin/sh -c '${hidden}' >/dev/null 2>&1 &); sleep 0.5; ls late`));
      // It would write on: both saves hold the same file only if nobody does.
      await save(host);
      const before = head().state;
      await new Promise((resolve) => setTimeout(resolve, 300));
      await save(host);
      await host.close({ keep: false });
      const contentOf = (state: unknown) => (state as { history: [number, string][] }).history.at(-1)?.[1];
      expect(contentOf(head().state)).toBe(contentOf(before));
      expect((await turn(bash('ls'))).text).toBe('late');
    });

  test('a save in mid-turn, and one after it, follow each other', async () => {
    const { lease, run, save, head, turn } = session();
    const host = await hosts.open(lease, head());
    const running = run(host, bash('echo one > one; sleep 2; echo two > two'));
    await expect
      .poll(
        async () =>
          await save(host, true).then(
            () => true,
            () => false,
          ),
      )
      .toBe(true);
    expect((await running).status).toBe('ok');
    await save(host);
    await host.close({ keep: false });
    expect((await turn(bash('cat one two'))).text).toBe('one\ntwo');
  });

  test('a stop reaches the agent', async () => {
    const { lease, run, save, head } = session();
    const host = await hosts.open(lease, head());
    const stop = new AbortController();
    const running = run(host, bash('echo begun > begun; sleep 60'), stop.signal);
    setTimeout(() => stop.abort('stop'), 1_500);
    expect((await running).status).toBe('stopped');
    await save(host);
    await host.close({ keep: false });
  });

  test('a host that dies is a crash of the agent, and its session goes on from the last save', async () => {
    const { lease, run, head, turn } = session();
    await turn(bash('echo kept > kept'));
    const host = await hosts.open(lease, head());
    const outcome = await run(host, bash(wall.kind === 'none' ? 'kill -9 $PPID' : 'kill -9 -1'));
    expect(outcome).toMatchObject({ status: 'failed' });
    await host.close({ keep: false });
    expect((await turn(bash('cat kept'))).text).toBe('kept');
  });

  test('too much to keep is told, and nothing of it is kept', async () => {
    const { lease, run, save, head, turn } = session();
    await turn(bash('echo kept > kept'));
    const host = await hosts.open(lease, head());
    await run(host, bash('head -c 60000000 /dev/zero > large'));
    await expect(save(host)).rejects.toMatchObject({ code: 'workspace-too-large' });
    await host.close({ keep: false });
    expect((await turn(bash('ls'))).text).toBe('kept');
  });

  test('state that cannot be read is told as that', async () => {
    const { lease, head, turn } = session();
    await turn(bash('echo kept > kept'));
    for await (const { key } of objects.list(`${lease.tenant}/${lease.sessionId}/`))
      await objects.delete([key]);
    await expect(hosts.open(lease, head())).rejects.toMatchObject({ name: 'Corrupt', code: 'missing-pack' });
  });
});
