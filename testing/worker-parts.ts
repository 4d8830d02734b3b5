// A worker whose host runs in its own process, made of parts that a test can replace one by one.
import type { SessionState } from '../src/core/ports/execution.ts';
import type { WorkerDeps } from '../src/core/worker.ts';
import { createDirectHosts, type HostParts } from '../src/host/direct-hosts.ts';

export type WorkerParts = Omit<WorkerDeps, 'hosts' | 'state'> & HostParts & { readonly state: SessionState };

export function workerOf(parts: WorkerParts): WorkerDeps {
  return { ...parts, hosts: createDirectHosts(parts) };
}
