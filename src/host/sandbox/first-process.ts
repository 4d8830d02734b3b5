// The first process of a sandbox's namespace, as this machine counts: when it is gone, so is every other one inside.
import type { Readable } from 'node:stream';
import { processStart } from '../../agent/process-identity.ts';

export interface FirstProcess {
  readonly pid: number;
  /** Empty when it was gone before we looked. */
  readonly start: string;
}

/** From what bubblewrap says about itself; null when it ended before it had one. */
export async function firstProcess(info: Readable | null): Promise<FirstProcess | null> {
  const pid = await new Promise<number | null>((resolve) => {
    let text = '';
    // Read to its end: bubblewrap writes in pieces, and gives up half-way when nobody reads the next one.
    info?.on('data', (piece: Buffer) => {
      text += piece.toString();
      const found = /"child-pid":\s*(\d+)\D/.exec(text)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    info?.on('error', () => {}).on('close', () => resolve(null));
    if (info === null) resolve(null);
  });
  return pid === null ? null : { pid, start: (await processStart(pid)) ?? '' };
}
