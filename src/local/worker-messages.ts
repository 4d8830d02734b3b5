// What server and worker processes say to each other over their pipe. Settings, secrets included, travel here and
// never by arguments or environment.
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
  /** A turn waits for a part that is away. */
  | { readonly type: 'waits'; readonly waitingFor: WaitingFor; readonly nextTryAtMs: number }
  /** A turn came to its end: nothing it needs is away. */
  | { readonly type: 'answered' }
  /** It cannot start, and trying again would not help. */
  | { readonly type: 'unfit'; readonly code: string; readonly message: string; readonly advice?: string };
