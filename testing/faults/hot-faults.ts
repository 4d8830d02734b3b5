// What befalls a host between two turns, while its agent stays for the next one: the agent or the host is killed, or somebody
// lets the agent go on. Stale ones need no fault: with several workers, each keeps what another one has moved on from.
import { familyUnder } from '../../src/agent/processes.ts';
import type { AgentHost } from '../../src/core/ports/hosts.ts';
import type { ProcessHosts } from '../../src/host/process-hosts.ts';
import type { Current } from './faulty.ts';
import type { InjectedFaults } from './injected-faults.ts';

export interface HotFaultsOptions {
  readonly faults: InjectedFaults;
  readonly current: Current;
  /** Folder of the session that is being run. */
  readonly rootOf: () => string;
  readonly killHost: (root: string) => void;
}

export function withHotFaults(hosts: ProcessHosts, options: HotFaultsOptions): ProcessHosts {
  const { faults, current, rootOf, killHost } = options;

  async function befall(how: string, root: string): Promise<void> {
    if (how === 'kill-host') return killHost(root);
    const signal = how === 'kill-agent' ? 'SIGKILL' : 'SIGCONT';
    for (const pid of await familyUnder(root, [])) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has just ended.
      }
    }
  }

  return {
    ...hosts,
    async open(lease, head) {
      const host = await hosts.open(lease, head);
      return {
        ...host,
        async close(closing) {
          const root = rootOf();
          await host.close(closing);
          const fault = closing.keep ? faults.take('hot:rest', current.message) : null;
          if (fault) setTimeout(() => void befall(fault.how, root).catch(() => {}), fault.ms ?? 0);
        },
      } satisfies AgentHost;
    },
  };
}
