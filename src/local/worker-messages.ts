// The messages between server and worker processes, over a pipe. Settings and secrets are passed in these messages,
// never in arguments or in the environment.
import type { WaitingFor } from '../core/ports.ts';
import type { Configuration } from './configuration.ts';

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
  /** A turn waits because something that it needs (such as the model) cannot be reached. */
  | { readonly type: 'waits'; readonly waitingFor: WaitingFor; readonly nextTryAtMs: number }
  /** A turn has ended, so everything that a turn needs can be reached. */
  | { readonly type: 'answered' }
  /** The worker cannot start, and starting it again would not help. */
  | { readonly type: 'unfit'; readonly code: string; readonly message: string; readonly advice?: string };
