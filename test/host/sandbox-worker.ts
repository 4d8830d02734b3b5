// Run by the tests of the sandbox in place of a worker: becomes the user that it is told, puts things outside that nobody
// inside may reach, starts shell scripts in sandboxes, and prints what each said and what was left. JSON in, JSON out.
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  detectSandbox,
  type NetworkSetting,
  type SandboxLimits,
  type SandboxNotice,
  startInSandbox,
} from '../../src/host/sandbox/index.ts';

export interface Job {
  /** A uid to become first; null stays who it is. */
  readonly uid: number | null;
  readonly wall: 'detected' | 'none';
  readonly scripts: readonly string[];
  readonly network?: NetworkSetting;
  readonly limits?: Partial<SandboxLimits>;
  /** Says on stderr where the heartbeat of the first script is, and waits to be killed. */
  readonly waits?: boolean;
}

export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly end: { readonly code: number | null; readonly failure?: string; readonly overLimit?: object };
  readonly notices: readonly SandboxNotice[];
  /** Of the session's four folders: what lies there now. */
  readonly folders: readonly ('folder' | 'something else' | 'nothing')[];
  readonly secret: string;
  /** The heartbeat of a script went on after its end. */
  readonly survived: boolean;
}

export const CANARY = 'canary-7f3a';

async function main(job: Job): Promise<void> {
  if (job.uid !== null) {
    process.setgroups?.([]);
    process.setgid?.(job.uid);
    process.setuid?.(job.uid);
  }
  process.env.WORKERS_OWN = CANARY;
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'hybrid-sandbox-test-')));
  try {
    const outside = join(base, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret.txt'), CANARY);
    const answering = () => createServer((socket) => socket.on('error', () => {}).end(`${CANARY}\n`));
    const loopback = answering();
    await new Promise<void>((resolve) => loopback.listen(0, resolve));
    const abstract = `hybrid-test-${process.pid}`;
    const abstractServer = answering();
    await new Promise<void>((resolve) => abstractServer.listen(`\0${abstract}`, resolve));
    const model = createServer((socket) => socket.on('error', () => {}).end('the model\n'));
    const modelSocket = join(base, 'model.sock');
    await new Promise<void>((resolve) => model.listen(modelSocket, resolve));

    const { port } = loopback.address() as { port: number };
    const addresses = Object.values(networkInterfaces()).flatMap((found) =>
      (found ?? []).map((a) => a.address),
    );
    const sandbox =
      job.wall === 'none'
        ? ({ kind: 'none', reason: 'the test', accepted: true } as const)
        : await detectSandbox();
    if (sandbox.kind === 'none' && job.wall !== 'none') throw new Error(`no sandbox here: ${sandbox.reason}`);
    const results: Ran[] = [];
    for (const [index, script] of job.scripts.entries()) {
      const root = join(base, `session-${index}`);
      const folders = ['config', 'workspace', 'home', 'tmp'].map((name) => join(root, name));
      for (const folder of folders) mkdirSync(folder, { recursive: true });
      const incoming = join(base, `incoming-${index}`);
      writeFileSync(incoming, 'incoming', { mode: 0o600 });
      const named = join(base, `named-${index}`);
      mkdirSync(named, { mode: 0o700 });
      writeFileSync(join(named, 'code'), 'compiled', { mode: 0o600 });
      const notices: SandboxNotice[] = [];
      const host = await startInSandbox({
        sandbox,
        program: { command: '/bin/bash', args: ['--norc', '--noprofile', '-c', script] },
        env: {
          PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
          HOME: folders[2]!,
          ROOT: root,
          OUTSIDE: outside,
          INCOMING: sandbox.kind === 'bubblewrap' ? join(root, 'incoming') : incoming,
          WORKER: String(process.pid),
          PORT: String(port),
          ABSTRACT: abstract,
          ADDRESSES: addresses.join(' '),
        },
        cwd: folders[1]!,
        directories: {
          root,
          writable: folders.map((path) => ({ path })),
          readOnly: [],
          incoming: [
            { path: incoming, at: join(root, 'incoming') },
            { path: named, at: (uid) => join(root, `named-${uid}`) },
          ],
        },
        stdio: ['pipe', 'pipe', 'pipe'],
        network: job.network ?? 'none',
        sockets: { model: modelSocket },
        ...(job.limits && { limits: job.limits }),
        onNotice: (notice) => notices.push(notice),
      });
      const heartbeat = join(folders[1]!, 'alive');
      if (job.waits) {
        process.stderr.write(`${JSON.stringify({ heartbeat, outermost: host.pid })}\n`);
        await host.ended;
      }
      const said = Promise.all([text(host.stdio[1] as Readable), text(host.stdio[2] as Readable)]);
      const end = await host.ended;
      const before = contentOf(heartbeat);
      await sleep(before === null ? 0 : 200);
      const survived = contentOf(heartbeat) !== before;
      const [out, err] = survived ? ['', ''] : await said;
      results.push({
        out,
        err,
        end,
        notices,
        folders: folders.map(kindOf),
        secret: contentOf(join(outside, 'secret.txt')) ?? '',
        survived,
      });
    }
    process.stdout.write(JSON.stringify({ sandbox, results }), () => process.exit(0));
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

function kindOf(path: string): Ran['folders'][number] {
  try {
    return lstatSync(path).isDirectory() ? 'folder' : 'something else';
  } catch {
    return 'nothing';
  }
}

function contentOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

if (process.argv[2] !== undefined && import.meta.main) await main(JSON.parse(process.argv[2]) as Job);
