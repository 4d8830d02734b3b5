// The beginning and the end of a host in the sandbox: what reaches it, and that nothing of it outlives it or its worker.
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { detectSandbox, startInSandbox } from '../../src/host/sandbox/index.ts';
import { runInside, startWorker, USERS } from './run-inside.ts';

/** Writes to the file `alive` for ever, as a daemon that has nothing in common with who started it. */
const DAEMON = `setsid bash -c '(env -i /bin/bash -c "while :; do date +%N > $0/alive; sleep 0.02; done" < /dev/null > /dev/null 2>&1 &)' "$PWD"`;

function groupOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
}

describe.each(USERS)('started by $name', ({ uid }) => {
  test('it has the sockets, descriptors, user and folders that it was given', async () => {
    const { results, sandbox } = await runInside({
      uid,
      scripts: [
        'cat "$INCOMING"; echo; whoami; echo ~; pwd; cat ~/.profile 2> /dev/null; echo hello > /tmp/a; cat /tmp/a',
        `perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0); connect($s, pack_sockaddr_un("/run/hybrid-sessions/model.sock")) or die $!; print <$s>'; echo "$HYBRID_SESSIONS_SOCKETS"`,
        'exit 7',
        'cat "$ROOT/named-$(id -u)/code"',
        'df -k /tmp /dev/shm --output=size | tail -2; cat /proc/self/oom_score_adj',
      ],
    });
    expect(sandbox).toMatchObject({ kind: 'bubblewrap', ownNetwork: true });
    const [given, sockets, code, named, room] = results;
    expect(given).toMatchObject({ err: '', end: { code: 0 } });
    expect(given!.out).toMatch(/^incoming\nagent\n\/.*\/home\n\/.*\/workspace\nhello\n$/);
    expect(sockets).toMatchObject({
      out: 'the model\n{"model":"/run/hybrid-sessions/model.sock"}\n',
      err: '',
    });
    expect(code!.end).toEqual({ code: 7, signal: null });
    expect(named).toMatchObject({ out: 'compiled', err: '' });
    expect(room!.out.split(/\s+/).filter(Boolean)).toEqual(['262144', '262144', '1000']);
  });

  test.each<[string, (pids: { worker: number; outermost: number }) => number]>([
    ['its worker is killed', ({ worker }) => worker],
    ['the outermost process is killed', ({ outermost }) => outermost],
  ])('everything ends when %s', async (_name, victim) => {
    const worker = startWorker({ uid, waits: true, scripts: [`${DAEMON}; sleep 1000`] });
    const [line] = (await once(createInterface(worker.stderr), 'line')) as [string];
    const { heartbeat, outermost } = JSON.parse(line) as { heartbeat: string; outermost: number };
    await expect.poll(() => existsSync(heartbeat) && readFileSync(heartbeat, 'utf8') !== '').toBe(true);
    // A terminal's Ctrl-C goes to the worker's group, which decides what becomes of its turns.
    expect(groupOf(outermost)).not.toBe(groupOf(worker.pid!));
    process.kill(victim({ worker: worker.pid!, outermost }), 'SIGKILL');
    // Only the worker knows what to wait for; without it, a moment.
    await sleep(500);
    const before = existsSync(heartbeat) ? readFileSync(heartbeat, 'utf8') : null;
    await sleep(200);
    const after = existsSync(heartbeat) ? readFileSync(heartbeat, 'utf8') : null;
    worker.kill('SIGKILL');
    rmSync(dirname(dirname(dirname(heartbeat))), { recursive: true, force: true });
    // null: the worker, where it lives, has removed everything meanwhile.
    expect([before, null]).toContain(after);
  });
});

test('killed at any moment of its start, nothing stays', async () => {
  const base = await mkdtemp(join(tmpdir(), 'hybrid-sandbox-start-'));
  const token = `sleep ${1_000 + process.pid}`;
  const sandbox = await detectSandbox();
  for (let tries = 0; tries < 60; tries++) {
    const workspace = join(base, 'session', 'workspace');
    await mkdir(workspace, { recursive: true });
    const host = await startInSandbox({
      sandbox,
      program: { command: '/bin/sh', args: ['-c', token] },
      env: { PATH: '/usr/bin:/bin' },
      cwd: workspace,
      directories: { root: join(base, 'session'), writable: [{ path: workspace }], readOnly: [] },
      stdio: ['ignore', 'ignore', 'ignore'],
      network: 'none',
    });
    await sleep(tries % 20);
    // Every second one by us, the others by somebody else.
    if (tries % 2 === 0) host.kill();
    else process.kill(host.pid, 'SIGKILL');
    await host.ended;
    expect(processesWith(token)).toEqual([]);
  }
  await rm(base, { recursive: true });
});

function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return line.includes(text) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
      } catch {
        return false;
      }
    });
}

test('what cannot be started says why', async () => {
  const { results } = await runInside({ scripts: ['exec /no/such/program'] });
  expect(results[0]).toMatchObject({ end: { code: 127 }, err: expect.stringContaining('/no/such/program') });
});
