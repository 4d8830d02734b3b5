// How a worker reads a variable of the server's environment: it asks over the pipe. Its own environment holds none that
// could be secret, since what the agent runs is started from there.
import type { FromWorker, ToWorker } from './worker-messages.ts';

const MAX_WAIT_MS = 10_000;

export interface ServerVariables {
  read(name: string): Promise<string | undefined>;
  /** An answer of the server. */
  take(message: Extract<ToWorker, { type: 'variable' }>): void;
}

export function createServerVariables(ask: (message: FromWorker) => void): ServerVariables {
  const waiting = new Map<string, ((value: string | undefined) => void)[]>();

  function settle(name: string, value: string | undefined): void {
    for (const resolve of waiting.get(name) ?? []) resolve(value);
    waiting.delete(name);
  }

  return {
    read(name) {
      return new Promise((resolve) => {
        const others = waiting.get(name);
        if (others) return void others.push(resolve);
        waiting.set(name, [resolve]);
        setTimeout(() => settle(name, undefined), MAX_WAIT_MS).unref();
        ask({ type: 'variable', name });
      });
    },
    take: ({ name, value }) => settle(name, value ?? undefined),
  };
}
