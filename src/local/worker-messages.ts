// The messages between server and worker processes, over a pipe. Settings and secrets are passed in these messages,
// never in arguments or in the environment.
import type { Sandbox } from '../host/sandbox/sandbox.ts';
import type { Configuration } from './configuration.ts';
import type { WorkerNote } from './worker-notes.ts';

export interface BootMessage {
  readonly type: 'boot';
  readonly configuration: Configuration;
  /** Which wall this machine has: looked for once by the server, for it costs as much as starting a host. */
  readonly sandbox: Sandbox;
}

export type ToWorker =
  | BootMessage
  /** Take no more turns. After `graceMs`, cut the running turn off and save it, to be continued later. */
  | { readonly type: 'stop'; readonly graceMs: number }
  /** The answer to `variable`; null where the server has none. */
  | { readonly type: 'variable'; readonly name: string; readonly value: string | null };

export type FromWorker =
  | { readonly type: 'ready' }
  /** What became of a turn, for status pages and metrics. */
  | { readonly type: 'note'; readonly note: WorkerNote }
  /** Asks for a variable of the server's environment that a tenant's secret is in. */
  | { readonly type: 'variable'; readonly name: string }
  /** The worker cannot start, and starting it again would not help. */
  | { readonly type: 'unfit'; readonly code: string; readonly message: string; readonly advice?: string };
