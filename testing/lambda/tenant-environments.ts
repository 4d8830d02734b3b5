// The execution environments of one function with tenant isolation: an environment serves one tenant id, ever. It stands
// still between invocations, and ends when nobody has used it for a while. A number of environments, in use or not, is
// all there is; beyond it an invocation is refused.
// https://docs.aws.amazon.com/lambda/latest/dg/tenant-isolation.html (read 2026-11-22)
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FunctionEnvironment, type FunctionOptions, startFunction } from './function-environment.ts';
import type { InvocationResult, InvokeOptions } from './runtime-api.ts';

export interface TenantEnvironmentsOptions {
  /** Each environment has a writable folder of its own in it. */
  readonly folder: string;
  /** The function in an environment with that writable folder. */
  readonly describe: (writable: string) => FunctionOptions;
  readonly maxEnvironments: number;
  readonly idleMs: number;
}

export interface TenantEnvironments {
  /** Throws `TooManyEnvironments`. What goes wrong in the function is in the result. */
  invoke(tenantId: string, event: unknown, onChunk?: InvokeOptions['onChunk']): Promise<InvocationResult>;
  readonly all: readonly TenantEnvironment[];
  close(): Promise<void>;
}

export interface TenantEnvironment {
  readonly tenantId: string;
  readonly environment: FunctionEnvironment;
  /** `/tmp` inside, as this machine names it. */
  readonly writable: string;
  readonly busy: boolean;
}

export class TooManyEnvironments extends Error {}

interface Slot extends TenantEnvironment {
  busy: boolean;
  timer?: NodeJS.Timeout;
}

export function createTenantEnvironments(options: TenantEnvironmentsOptions): TenantEnvironments {
  const slots = new Set<Slot>();
  let opening = 0;

  async function open(tenantId: string): Promise<Slot> {
    if (slots.size + opening >= options.maxEnvironments) {
      throw new TooManyEnvironments(`${options.maxEnvironments} environments are there already.`);
    }
    opening += 1;
    try {
      await mkdir(options.folder, { recursive: true });
      const writable = await mkdtemp(join(options.folder, 'environment-'));
      const environment = await startFunction(options.describe(writable));
      const slot: Slot = { tenantId, environment, writable, busy: true };
      slots.add(slot);
      return slot;
    } finally {
      opening -= 1;
    }
  }

  async function end(slot: Slot): Promise<void> {
    slots.delete(slot);
    clearTimeout(slot.timer);
    await slot.environment.stop();
    await rm(slot.writable, { recursive: true, force: true });
  }

  return {
    get all() {
      return [...slots];
    },
    async invoke(tenantId, event, onChunk) {
      const free = [...slots].find((slot) => slot.tenantId === tenantId && !slot.busy);
      if (free) free.busy = true;
      const slot = free ?? (await open(tenantId));
      clearTimeout(slot.timer);
      try {
        return await slot.environment.invoke(event, { tenantId, ...(onChunk ? { onChunk } : {}) });
      } finally {
        // Only then is it free: who invokes again at once finds it.
        await slot.environment.freeze();
        slot.busy = false;
        slot.timer = setTimeout(() => void end(slot), options.idleMs).unref();
      }
    },
    async close() {
      await Promise.all([...slots].map(end));
    },
  };
}
