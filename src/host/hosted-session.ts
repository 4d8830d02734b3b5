// One session on its host, the worker's half: what the host is given, and what it answers, checked before the core sees it.
import type { ModelEndpoint } from '../agent/environment.ts';
import type { ModelAccess } from '../agent/model-access.ts';
import { systemClock } from '../core/clock.ts';
import { Conflict } from '../core/errors.ts';
import type { TurnId } from '../core/ids.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { AgentOutcome, StateLimits } from '../core/ports/execution.ts';
import type { AgentHost, HostRun } from '../core/ports/hosts.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { Lease, SessionHead } from '../core/records.ts';
import { mayPass } from '../core/retry-write.ts';
import type { ModelFailure } from '../gateway/model-gateway.ts';
import { baseNameOf, packKey, packNameOf, type StoredGeneration } from '../state/record.ts';
import { newestOf, previousOf, type StoredState } from '../state/session-state.ts';
import type { TenantAgentOf } from '../tenants/tenant-agent.ts';
import type { HostFactsCounter } from './host-facts.ts';
import { isHostGone, RefusedByWord } from './host-link.ts';
import type { HotHost, HotLimits } from './hot-hosts.ts';
import type { WhyCold, WhyEvicted } from './hot-reasons.ts';
import { HOST_PATIENCE, type HostPatience } from './patience.ts';
import { createSavedCheck } from './saved-check.ts';

/** As much of the way to the model as a turn needs. */
export interface TurnModels
  extends Pick<ModelAccess, 'answersAgain'>,
    Partial<Pick<ModelAccess, 'modelsOf'>> {
  during(
    run: HostRun,
    work: (access: {
      readonly folder: { readonly settings: { readonly model?: string | undefined } };
      readonly model: ModelEndpoint;
      readonly away: () => ModelFailure | null;
    }) => Promise<AgentOutcome>,
  ): Promise<AgentOutcome>;
}

export interface HostedSessionOptions {
  /** What tenants have of their own. */
  readonly agentOf?: TenantAgentOf;
  readonly objects: ObjectStore;
  readonly state: Pick<StoredState, 'follow' | 'collect'>;
  readonly limits: StateLimits;
  readonly access: TurnModels;
  /** @default HOST_PATIENCE */
  readonly patience?: HostPatience;
  /** Another check of what hosts say they have saved; for the fault kit. */
  readonly savedCheck?: typeof createSavedCheck;
  /** How many may stay with their session between two turns, and for how long; none when left out. */
  readonly hot?: HotLimits;
  readonly clock?: Pick<Clock, 'now'>;
  readonly log: Log;
}

/** A host with its session's folders. */
export interface Seat extends Omit<HotHost, 'held'> {
  readonly facts: HostFactsCounter;
  /** Why the session starts anew; null in a host that woke. */
  readonly why: WhyEvicted | null;
}

export async function openSession(
  options: HostedSessionOptions,
  { host, facts, claimed, intake, needs, why: whyAnew }: Seat,
  lease: Lease,
  opened: SessionHead,
  onClose: (stays: HotHost | null) => void,
): Promise<AgentHost> {
  const { objects, state, limits, access, hot, agentOf, patience = HOST_PATIENCE, log } = options;
  const { link } = host;
  let why = whyAnew;
  const { directory, stage } = claimed;
  const stored = newestOf(opened);
  const check = (options.savedCheck ?? createSavedCheck)({ objects, scope: lease, limits });
  /** The keys of packs that it may read, by the names under which a host knows them. */
  const ours = new Map(stored?.packs.map(({ name }) => [baseNameOf(name), packKey(lease, name)]));
  /** Why a pack that the host needs could not be had: told in place of the end that it was the host's. */
  let unstaged: unknown;
  const sizes = new Map(stored?.packs.map(({ name, bytes }) => [baseNameOf(name), bytes]));
  /** Of the save that runs. */
  let saving: Saving | null = null;
  let lastTurn = '';
  let gifts = 0;
  /** What the agent sends, while it comes: by name. */
  const giving = new Map<string, Giving>();
  let progress: HostRun['progress'] = () => {};
  let steering: HostRun['steering'];

  /** One of the files that were asked for, in the size that was told; anything else is no host's business. */
  async function receive(file: Giving, bytes: number): Promise<void> {
    if (bytes !== file.bytes || file.arriving) return link.kill();
    file.arriving = intake.take(file.key, bytes);
    try {
      const result = await file.arriving;
      facts.saved(bytes);
      link.send({ type: 'put', result });
    } catch {
      link.send({ type: 'put', result: 'refused' });
    }
  }

  async function put(name: string, bytes: number): Promise<void> {
    const save = saving;
    const parts = packNameOf(name);
    const isDue = save !== null && parts?.generation === save.generation && parts.fence === lease.fence;
    const maxBytes = limits.maxWorkspaceBytes + MAX_CONFIG_BYTES;
    if (!isDue || bytes > maxBytes || save.arriving.length >= MAX_PACKS_PER_SAVE) return link.kill();
    try {
      const result = await intake.take(packKey(lease, name), bytes);
      if (result === 'created') {
        save.written.set(name, bytes);
        facts.saved(bytes);
        ours.set(name, packKey(lease, name));
      }
      link.send({ type: 'put', result });
    } catch (error) {
      save.failure ??= error;
      link.send({ type: 'put', result: 'refused' });
    }
  }

  /** The store's absence costs a turn no attempt, so a host's word is believed only if this side is refused, too. */
  async function judged(error: unknown): Promise<unknown> {
    if (!(error instanceof RefusedByWord) || error.code === 'disk-full') return error;
    try {
      for await (const _ of objects.list(`${lease.tenant}/${lease.sessionId}/`)) break;
    } catch (seen) {
      return seen;
    }
    return new Conflict(
      'host-failed',
      'The agent host says that the store refuses it, but the store answers.',
      {
        cause: error,
      },
    );
  }

  link.listen({
    onProgress: (event) => progress(event),
    // Of another turn than was offered, it says nothing to anybody.
    onTook: (turnId) => steering?.took(turnId as TurnId),
    onNeed: (name) => {
      // Of this session's own packs, and of no other.
      const key = ours.get(name);
      const staged = key ? stage(key, name) : Promise.resolve(false);
      staged.then(
        (found) => {
          if (found) facts.gave(sizes.get(name) ?? 0);
          link.send({ type: 'have', name, found });
        },
        (error: unknown) => {
          log('warn', 'pack-not-staged', { session: lease.sessionId, ...errorFields(error) });
          unstaged ??= error;
          link.kill();
        },
      );
    },
    onPack: (name, bytes) => {
      const file = giving.get(name);
      if (file) return void receive(file, bytes);
      const done = put(name, bytes);
      saving?.arriving.push(done);
    },
  });

  const { tenant, sessionId, fence } = lease;
  if (why !== null) {
    const layOut = {
      type: 'open',
      tenant,
      sessionId,
      fence,
      directory,
      stored: stored && plain(stored),
      ...(hot && host.stay && { hot: conditionsOf(hot, opened, options.clock) }),
    } as const;
    const there = await link.ask(layOut, 'opened', patience.openMs).catch(async (error: unknown) => {
      throw unstaged ?? (await judged(error));
    });
    if (there.hot) {
      why = null;
      facts.foundHot();
    } else why = there.cold ?? why;
  }
  check.expect(stored);
  /** What the host's files are. */
  let held = { generation: opened.generation, content: stored?.content ?? null };

  async function runOn(
    run: HostRun,
    endpoint: ModelEndpoint,
    use: string | undefined,
  ): Promise<AgentOutcome> {
    const {
      resume,
      continuing,
      request,
      decided,
      tries,
      signal,
      agentSessionId,
      files = [],
      scheduling,
    } = run;
    const stop = () => {
      link.send({ type: 'stop', reason: signal.reason as 'stop' });
      link.hurry('ended', patience.stopMs);
    };
    signal.addEventListener('abort', stop, { once: true });
    steering = run.steering;
    const deaf = steering?.listen(({ turnId, text }) => link.send({ type: 'input', turnId, text }));
    try {
      const model = { ...endpoint, ...(use === undefined ? {} : { use }) };
      const keep = hot !== undefined;
      const agent = await agentOf?.(lease.tenant);
      const frame = { type: 'run', resume, continuing, request, tries, model, keep } as const;
      const tools = agent && {
        allow: agent.tools.allow && [...agent.tools.allow],
        deny: [...agent.tools.deny],
      };
      const given = files.map(({ name, mediaType, bytes, key }, index) => {
        // Of this turn: a host that stays knows those of earlier ones.
        const object = `in-${request.turnId.slice(5, 17)}-${index}`;
        ours.set(object, key);
        sizes.set(object, bytes);
        return { object, name, mediaType, bytes };
      });
      // Like the packs of `open`: where the host is elsewhere, it has to know where they are.
      for (const { object } of given) await stage(ours.get(object)!, object);
      const more = {
        ...(given.length > 0 && { files: given }),
        ...(tools && { tools }),
        ...(decided && { decided }),
        ...(scheduling && { scheduling }),
        ...(agentSessionId && { agentSessionId }),
      };
      const asked = link.ask({ ...frame, ...more }, 'ended');
      if (signal.aborted) stop();
      const { outcome, cold } = await asked;
      if (keep) log('debug', 'agent-started', startOf(why, cold));
      return outcome as AgentOutcome;
    } catch (error) {
      if (unstaged !== undefined) throw unstaged;
      if (!isHostGone(error)) throw error;
      const message = 'The process that ran the agent ended unexpectedly.';
      log('warn', 'host-gone', { session: sessionId, ...errorFields(error) });
      return { status: 'failed', text: '', demo: false, failure: { code: 'agent-crashed', message } };
    } finally {
      signal.removeEventListener('abort', stop);
      deaf?.();
      steering = undefined;
    }
  }

  return {
    async run(run) {
      progress = run.progress;
      lastTurn = run.request.turnId.slice(5, 17);
      return await access.during(run, ({ folder, model }) => runOn(run, model, folder.settings.model));
    },

    async save({ head, generation, running, turn }) {
      const previous = previousOf(head, generation);
      const save: Saving = { generation, written: new Map(), arriving: [] };
      saving = save;
      try {
        const saved = await link.ask(
          { type: 'save', generation, previous: previous && plain(previous), running },
          'saved',
          patience.saveMs,
        );
        // A host may say that it is done before it is.
        await Promise.all(save.arriving);
        if (save.failure !== undefined) throw save.failure;
        const { stored: next, refused } = saved;
        await check
          .check({ generation, previous, stored: next, written: save.written })
          .catch((cause: unknown) => {
            // The table could not be read now: that is no fault of the host's.
            if (mayPass(cause)) throw cause;
            throw new Conflict('host-failed', 'What the agent host saved is not sound.', { cause });
          });
        const used = new Set(next.packs.map(({ name }) => name));
        const dead = [...save.written]
          .filter(([name]) => !used.has(name))
          .map(([name, bytes]) => ({ name, bytes }));
        const { state: nextState, compactionDue } = await state.follow(head, { stored: next, dead }, turn);
        held = { generation, content: next.content };
        return { state: nextState, refused, compactionDue };
      } catch (error) {
        await Promise.all(save.arriving);
        const orphans = [...save.written.keys()].map((name) => packKey(lease, name));
        await state.collect(orphans).catch(() => {});
        // What the store said tells more than what the host made of it.
        throw save.failure ?? unstaged ?? (await judged(error));
      } finally {
        saving = null;
      }
    },

    async give(files) {
      const turn = ++gifts;
      const named = files.map((file, index) => {
        const name = `out-${lastTurn}-${lease.fence}-${turn}${String(index).padStart(2, '0')}`;
        giving.set(name, { ...file });
        claimed.expect?.(file.key, name);
        return name;
      });
      try {
        await link.ask({ type: 'give', names: named }, 'given', patience.saveMs);
        const given = [...giving.values()].map(async ({ arriving }) => (arriving ? await arriving : null));
        return (await Promise.all(given)).map((result) => result !== null);
      } catch (error) {
        // What the store said tells more than what the host made of it.
        for (const { arriving } of giving.values()) await arriving;
        throw unstaged ?? (await judged(error));
      } finally {
        giving.clear();
      }
    },

    facts: facts.now,
    close: async ({ keep }) =>
      onClose(keep && link.isAlive() ? { host, claimed, intake, needs, held } : null),
  };
}

/** null when the host serves the turn. */
export async function wake(
  { host, held }: HotHost,
  { openMs }: HostPatience,
  { fence }: Lease,
  head: SessionHead,
): Promise<WhyEvicted | null> {
  const stored = newestOf(head);
  if (stored === null || stored.content !== held.content) return 'head';
  const opened = await host.link.ask({ type: 'wake', fence, stored: plain(stored) }, 'opened', openMs);
  return opened.cold ?? null;
}

function conditionsOf(
  { idleMs, memoryBytes }: HotLimits,
  { generation }: SessionHead,
  clock: Pick<Clock, 'now'> = systemClock,
) {
  return { generation, idleMs, memoryBytes, nowMs: clock.now() };
}

/** For the counters: whether the turn met a live CLI, and if not, why. */
function startOf(why: WhyEvicted | null, cold: WhyCold | undefined) {
  if (why === null && cold === undefined) return { start: 'hot' };
  return { start: 'cold', why: why === null || why === 'first' ? (cold ?? 'first') : why };
}

interface Giving {
  readonly key: string;
  readonly bytes: number;
  arriving?: Promise<'created' | 'exists'>;
}

interface Saving {
  readonly generation: number;
  readonly written: Map<string, number>;
  /** Packs that are being taken; never rejects. */
  readonly arriving: Promise<void>[];
  failure?: unknown;
}

const MAX_CONFIG_BYTES = 256 * 1024 * 1024;
/** One with what changed, and one that merges; each may meet a name that is taken. */
const MAX_PACKS_PER_SAVE = 8;

/** A copy that is plain JSON. */
function plain(stored: StoredGeneration) {
  return { ...stored, packs: stored.packs.map((pack) => ({ ...pack })) };
}
