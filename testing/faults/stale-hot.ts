// The mutation `stale-hot`: an agent that stayed is taken for current, wherever the head has gone meanwhile. Every part that
// compares generation or content is told of the head that the host itself saved last. The save, too: it would meet packs that
// such a host does not know, and the turn would be tried again from the true head.
import type { AgentHost } from '../../src/core/ports/hosts.ts';
import type { SessionHead } from '../../src/core/records.ts';
import type { ProcessHosts } from '../../src/host/process-hosts.ts';

export function takingStaleOnes(hosts: ProcessHosts): ProcessHosts {
  /** By session: what the host that stays has saved. */
  const held = new Map<string, SessionHead>();
  return {
    ...hosts,
    async open(lease, head) {
      const before = held.get(lease.sessionId);
      held.delete(lease.sessionId);
      const host = await hosts.open(lease, before ?? head);
      let saved = before ?? head;
      return {
        ...host,
        async save(input) {
          const result = await host.save({ ...input, head: { ...input.head, state: saved.state } });
          saved = { ...input.head, generation: input.generation, state: result.state };
          return result;
        },
        async close(closing) {
          if (closing.keep) held.set(lease.sessionId, saved);
          await host.close(closing);
        },
      } satisfies AgentHost;
    },
  };
}
