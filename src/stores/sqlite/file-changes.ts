// Tells when another process writes a file, as the kernel reports it, so that nobody has to look all the time. A report
// comes before what was written can be read (SQLite appends to its log, waits for the disk, then shows it): for a moment
// after each the file counts as not quiet. Where there are no reports it never counts as quiet.
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface FileChanges {
  /** Somebody waits from here on; pairs with `end`. */
  begin(): void;
  end(): void;
  /** False when something may have been written that cannot be read yet. */
  isQuiet(): boolean;
  close(): void;
}

/** From the report of a write to its being readable: what a slow disk takes to confirm it. */
const SETTLING_MS = 1_000;
/** Elsewhere a report may come late, or only when the file is closed. */
const REPORTS_AT_ONCE = process.platform === 'linux';
/** Waiting again soon is likely: the watch stays until then. */
const KEPT_MS = 10_000;

/** The file need not exist yet; its folder must. */
export function watchFile(path: string, onChange: () => void): FileChanges {
  const name = basename(path);
  let watcher: FSWatcher | null = null;
  let isBroken = !REPORTS_AT_ONCE;
  let waiting = 0;
  let changedAtMs = Number.NEGATIVE_INFINITY;
  let leaving: NodeJS.Timeout | undefined;

  function start(): void {
    // What was written while nobody watched may not be readable yet.
    changedAtMs = performance.now();
    try {
      watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
        if (changed !== null && changed !== name) return;
        changedAtMs = performance.now();
        onChange();
      });
      watcher.on('error', broken);
    } catch {
      // No kernel reports here, or too many watches are in use on this machine.
      broken();
    }
  }

  function broken(): void {
    isBroken = true;
    stop();
    onChange();
  }

  function stop(): void {
    clearTimeout(leaving);
    watcher?.close();
    watcher = null;
  }

  return {
    begin() {
      waiting += 1;
      clearTimeout(leaving);
      if (watcher === null && !isBroken) start();
    },
    end() {
      waiting -= 1;
      if (waiting === 0) leaving = setTimeout(stop, KEPT_MS).unref();
    },
    isQuiet: () => watcher !== null && performance.now() - changedAtMs > SETTLING_MS,
    close: stop,
  };
}
