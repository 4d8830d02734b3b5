// Starts a program in the sandbox as a whole, or without one where there is none. Promises, with bubblewrap: the program
// and all it starts see only what `StartOptions` names; when it ends, is killed, or this process dies in any way, everything
// in it ends; `ended` resolves when that has happened. Without a sandbox the end is best effort (see processes.ts).
import { measureDisk } from './disk-use.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { Bubblewrap, SandboxEnd, SandboxedProcess, StartOptions } from './sandbox.ts';
import { startBare } from './start-bare.ts';
import { startWalled } from './start-walled.ts';
import { type Watching, watchHost } from './watch.ts';
import { openWayOut } from './way-out.ts';

export async function startInSandbox(options: StartOptions): Promise<SandboxedProcess> {
  const { sandbox } = options;
  return sandbox.kind === 'bubblewrap' ? await startWatched(options, sandbox) : startBare(options);
}

/** With its way out, and ended when it is over a limit. */
async function startWatched(options: StartOptions, sandbox: Bubblewrap): Promise<SandboxedProcess> {
  const { directories, onNotice, watchedLater = false } = options;
  const wayOut = await openWayOut(options, { ...DEFAULT_LIMITS, ...options.limits });
  try {
    const host = await startWalled({
      ...options,
      sandbox,
      sockets: { ...options.sockets, ...wayOut?.sockets },
    });
    let overLimit: SandboxEnd['overLimit'];
    let watching: Watching | undefined;
    let isOver = false;
    const watch = (): void => {
      if (watching || isOver) return;
      watching = watchHost({
        first: host.first,
        limits: host.limits,
        folder: directories.writable[0]?.path ?? null,
        measure: () =>
          measureDisk(
            sandbox,
            directories.writable.map(({ path }) => path),
            host.user,
          ),
        ...(onNotice && { onNotice }),
        onOver(over) {
          overLimit = over;
          host.kill();
        },
      });
    };
    if (!watchedLater) watch();
    const ended = host.ended.then(async (end) => {
      isOver = true;
      watching?.stop();
      await wayOut?.close();
      return overLimit ? { ...end, overLimit } : end;
    });
    const { pid, stdio, kill, activity } = host;
    const peakMemoryBytes = () => watching?.peakMemoryBytes() ?? null;
    return { pid, stdio, kill, watch, peakMemoryBytes, activity, ended };
  } catch (error) {
    await wayOut?.close();
    throw error;
  }
}
