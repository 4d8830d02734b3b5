// Our own programs as Node compiled them (its compile cache), kept in the data folder so that the next start of a worker or
// an agent host need not compile them again. Only this user writes there; hosts see it read-only. It may be deleted at
// any time. A server whose program or Node has changed begins it anew, so old code does not pile up.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { errorFields, type Log } from '../core/log.ts';

export interface CompileCache {
  /** For a worker's environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Runs an agent host that ends at once, so that the next one finds its code compiled. Never throws. */
  fill(): Promise<void>;
  /** Ends what fills it. */
  close(): Promise<void>;
}

export interface CompileCacheOptions {
  /** Must exist. */
  readonly dataDir: string;
  /** The program of an agent host. */
  readonly program: string;
  readonly log: Log;
}

export async function openCompileCache(options: CompileCacheOptions): Promise<CompileCache> {
  const { dataDir, program, log } = options;
  const folder = join(dataDir, 'compiled');
  const marker = join(folder, 'filled-for');
  const environment = { NODE_COMPILE_CACHE: folder };
  const { mtimeMs, size } = await stat(program);
  const current = `${process.version} ${process.arch} ${program} ${mtimeMs} ${size}`;
  const isFilled = (await readFile(marker, 'utf8').catch(() => '')) === current;
  if (!isFilled) await rm(folder, { recursive: true, force: true }).catch(() => {});
  let host: ChildProcess | undefined;
  let filling: Promise<void> | undefined;

  async function run(): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    host = spawn(process.execPath, ['--no-warnings', program], {
      env: environment,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    // A host whose worker is gone ends.
    for (const stream of host.stdio.slice(3) as Writable[]) stream.on('error', () => {}).destroy();
    const [code] = await once(host, 'exit');
    if (code === 0) await writeFile(marker, current, { mode: 0o600 });
  }

  return {
    environment,
    async fill() {
      if (isFilled || filling) return;
      filling = run().catch((error: unknown) => log('info', 'compile-cache-not-filled', errorFields(error)));
      await filling;
    },
    async close() {
      host?.kill('SIGKILL');
      await filling;
    },
  };
}
