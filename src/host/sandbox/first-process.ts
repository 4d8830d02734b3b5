// The first process of a sandbox's namespace, as this machine counts: when it is gone, so is every other one inside.
import type { Readable } from 'node:stream';
import { processStart } from '../../agent/process-identity.ts';

export interface FirstProcess {
  readonly pid: number;
  readonly start: string;
}

/** From what bubblewrap says about itself; null when it ended before it had one. */
export async function firstProcess(info: Readable | null): Promise<FirstProcess | null> {
  let text = '';
  try {
    for await (const piece of info ?? []) {
      text += String(piece);
      const pid = Number(/"child-pid":\s*(\d+)\D/.exec(text)?.[1]);
      if (!pid) continue;
      const start = await processStart(pid);
      return start === null ? null : { pid, start };
    }
  } catch {
    // It ended before it had a first process.
  }
  return null;
}
