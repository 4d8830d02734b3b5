// What server and worker processes say to each other over their pipe. Settings, secrets included, travel here and
// never by arguments or environment.
import type { Configuration } from './configuration.ts';
import type { WorkerNote } from './worker-notes.ts';

export interface BootMessage {
  readonly type: 'boot';
  readonly configuration: Configuration;
}

export type ToWorker =
  | BootMessage
  /** Take no more turns. After `graceMs`, cut the running turn off and save it, to be continued later. */
  | { readonly type: 'stop'; readonly graceMs: number };

export type FromWorker =
  | { readonly type: 'ready' }
  /** What became of a turn, for whoever counts. */
  | { readonly type: 'note'; readonly note: WorkerNote }
  /** It cannot start, and trying again would not help. */
  | { readonly type: 'unfit'; readonly code: string; readonly message: string; readonly advice?: string };
