// How long a worker waits for a host before it ends it. What takes longer than this is no work any more.

export interface HostPatience {
  /** From its start until it can be given a session. */
  readonly bootMs: number;
  /** Laying the session out. */
  readonly openMs: number;
  readonly saveMs: number;
  /** From a stop to the end of the run: the agent writes down what it did, and every process is ended. */
  readonly stopMs: number;
  /** Its event loop says nothing for so long (`silence.ts`). */
  readonly silentMs: number;
  /** A living one says something this often. */
  readonly beatEveryMs: number;
}

/** A gigabyte on a slow disk is laid out, or read, in ten minutes. */
export const HOST_PATIENCE: HostPatience = {
  bootMs: 90_000,
  openMs: 10 * 60_000,
  saveMs: 10 * 60_000,
  stopMs: 60_000,
  silentMs: 15_000,
  beatEveryMs: 5_000,
};
