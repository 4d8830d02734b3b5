// Hosts as processes of their own on this machine, one per session. One that knows no session yet waits as a spare, so that
// a turn does not wait for its start.
import type { Readable } from 'node:stream';
import { errorFields } from '../core/log.ts';
import type { StateLimits } from '../core/ports/execution.ts';
import type { AgentHost, AgentHosts } from '../core/ports/hosts.ts';
import type { Lease, SessionHead } from '../core/records.ts';
import type { HostFacts } from '../core/timeline.ts';
import { newestOf } from '../state/session-state.ts';
import type { TenantAgent } from '../tenants/tenant-agent.ts';
import { countHostFacts, type HostFactsCounter } from './host-facts.ts';
import { type HostedSessionOptions, openSession, wake } from './hosted-session.ts';
import { createHotHosts, type HotHost } from './hot-hosts.ts';
import type { WhyEvicted } from './hot-reasons.ts';
import { createPackIntake } from './pack-intake.ts';
import { HOST_PATIENCE } from './patience.ts';
import type { HostNeeds, SpareHost } from './spare-host.ts';

export interface ProcessHostsOptions extends HostedSessionOptions {
  /** Starts a host and boots it; null: as most need it. */
  readonly start: (needs: HostNeeds | null) => Promise<SpareHost>;
  /** Hosts that wait for a session. */
  readonly spares: number;
}

export interface ProcessHosts extends AgentHosts {
  /** Waits until the hosts of earlier turns have come to rest, or are gone with what they left. */
  settled(): Promise<void>;
  /** Ends the spares, and waits for what ended hosts leave to be removed. */
  close(): Promise<void>;
}

export function createProcessHosts(options: ProcessHostsOptions): ProcessHosts {
  const { log, spares: wanted } = options;
  const spares: Promise<SpareHost>[] = [];
  /** Spares that are started. */
  const ready = new WeakSet<Promise<SpareHost>>();
  const leaving = new Set<Promise<void>>();
  let closed = false;

  function refill(): void {
    while (!closed && spares.length < wanted) {
      const spare = options.start(null);
      spare.then(
        () => void ready.add(spare),
        (error: unknown) => log('warn', 'host-not-started', errorFields(error)),
      );
      spares.push(spare);
    }
  }

  async function take(needs: HostNeeds | null): Promise<{ host: SpareHost; facts: HostFactsCounter }> {
    const askedAtMs = performance.now();
    const taken = (host: SpareHost, start: HostFacts['start']) => ({
      host,
      facts: countHostFacts(start, askedAtMs, memoryOf(host)),
    });
    if (needs) return taken(await options.start(needs), 'new');
    for (let spare = spares.shift(); spare; spare = spares.shift()) {
      const start = ready.has(spare) ? 'spare' : 'new';
      const host = await spare.catch(() => null);
      if (!host?.link.isAlive()) continue;
      if ((await host.isCurrent?.()) !== false) return taken(host, start);
      void leave(host);
    }
    return taken(await options.start(null), 'new');
  }

  function leave(host: SpareHost): Promise<void> {
    const closing = host
      .close()
      .catch((error: unknown) => log('error', 'host-not-removed', errorFields(error)));
    return waitedFor(closing);
  }

  function waitedFor(going: Promise<void>): Promise<void> {
    const left = going.finally(() => leaving.delete(left));
    leaving.add(left);
    return left;
  }

  async function settled(): Promise<void> {
    while (leaving.size > 0) await Promise.all(leaving);
  }

  async function letStay(stay: () => Promise<WhyEvicted | null>): Promise<void> {
    const why = await stay().catch((): WhyEvicted => 'died');
    if (why !== null) log('debug', 'hot-ended', { why });
  }

  const { hot, clock } = options;
  const hotHosts = hot && createHotHosts({ limits: hot, leave, log, ...(clock && { clock }) });

  /** Lays the session out in a host that has none yet. */
  async function start(
    lease: Lease,
    head: SessionHead,
    needs: HostNeeds | null,
    why: WhyEvicted,
  ): Promise<AgentHost> {
    const { host, facts } = await take(needs);
    try {
      const claimed = await host.claim(lease, newestOf(head));
      const intake =
        claimed.intake ??
        createPackIntake(host.link.process.stdio[4] as Readable, options.objects, claimed.spool);
      return await openSession(
        forNeeds(needs),
        { host, facts, claimed, intake, needs, why },
        lease,
        head,
        (stayed) => finish(host, lease, stayed),
      );
    } catch (error) {
      void leave(host);
      refill();
      throw error;
    }
  }

  const forNeeds = (needs: HostNeeds | null) => ({ ...options, limits: needs?.limits ?? options.limits });

  function finish(host: SpareHost, lease: Lease, stays: HotHost | null): void {
    if (stays && hot && host.stay && !closed) void waitedFor(letStay(host.stay));
    else if (stays && hotHosts && !closed) hotHosts.put(lease, stays);
    else void leave(host);
    refill();
  }

  refill();
  return {
    async open(lease, head) {
      const needs = needsOf((await options.agentOf?.(lease.tenant)) ?? null, options.limits);
      const askedAtMs = performance.now();
      const stayed = (await hotHosts?.take(lease, head, needs)) ?? 'first';
      if (typeof stayed === 'string') return await start(lease, head, needs, stayed);
      const cold = await wake(stayed, options.patience ?? HOST_PATIENCE, lease, head).catch(
        (error: unknown): WhyEvicted => {
          log('warn', 'hot-not-woken', { session: lease.sessionId, ...errorFields(error) });
          return 'died';
        },
      );
      if (cold !== null) {
        await hotHosts?.end(stayed, cold);
        return await start(lease, head, needs, cold);
      }
      return await openSession(
        forNeeds(needs),
        { ...stayed, facts: countHostFacts('hot', askedAtMs, memoryOf(stayed.host)), why: null },
        lease,
        head,
        (again) => finish(stayed.host, lease, again),
      );
    },
    modelAnswers: options.access.answersAgain,
    ...(options.access.modelsOf && { models: options.access.modelsOf }),
    settled,
    async close() {
      closed = true;
      for (const spare of spares.splice(0))
        await spare.then(
          (host) => void leave(host),
          () => {},
        );
      await hotHosts?.close();
      await settled();
    },
  };
}

const memoryOf =
  ({ link }: SpareHost) =>
  () =>
    link.process.peakMemoryBytes?.() ?? null;

/** null: a spare will do. */
function needsOf(agent: TenantAgent | null, limits: StateLimits): HostNeeds | null {
  if (!agent) return null;
  const { name, network, maxWorkspaceBytes } = agent;
  if (name === null && network === null && maxWorkspaceBytes === null) return null;
  const own = maxWorkspaceBytes === null ? limits : { ...limits, maxWorkspaceBytes };
  return { agent: name, network, limits: own };
}
