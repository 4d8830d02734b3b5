// How a host of a fault run finds its run: by its environment, and by files in the run's folder.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PlannedFault } from './planned.ts';

/** Carried by every host of a run and by its agent; its value is the run's folder. */
export const MARK = 'FAULTS_FOLDER';

export interface HostEnvironment {
  readonly [MARK]: string;
  readonly NODE_COMPILE_CACHE: string;
  readonly FAULTS_WORKER: string;
  /** What befalls it before it is ready; empty for nothing. */
  readonly FAULTS_HELLO: string;
  readonly FAULTS_STAYS: string;
}

export const hostFaultsFile = (folder: string): string => join(folder, 'host-faults.json');

export function writeHostFaults(folder: string, faults: readonly PlannedFault[]): void {
  const ours = faults.filter(({ place }) => place.startsWith('host:'));
  writeFileSync(hostFaultsFile(folder), JSON.stringify(ours));
}

/** Holds the number of the message whose turn this lease is for; in the run's folder. */
export const messageFile = (sessionId: string, fence: number): string =>
  join('leases', `${sessionId}-${fence}`);

/** Processes that carry the mark of this run. */
export function markedProcesses(folder: string): number[] {
  const mark = `${MARK}=${folder}`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!pid) return false;
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
      } catch {
        return false;
      }
    });
}
