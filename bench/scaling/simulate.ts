// A discrete simulation of an installation on AWS: messages come, wait for their conversation, for an execution and, isolated, for an
// environment of their session, hold them for as long as the turn takes, and leave the environment idle. It answers how long people
// wait, how often a turn finds its process alive, and how near each part is to its quota. It knows nothing of errors and retries.
import { createRandom } from '../../testing/faults/random.ts';
import { exponential, type Pattern, type People, sittings } from './arrivals.ts';
import { EventQueue } from './event-queue.ts';
import { DEFAULT_QUOTAS, PER_TURN, type Quotas } from './quotas.ts';

export interface Scenario {
  readonly people: People;
  readonly pattern: Pattern;
  readonly agents: 'isolated' | 'shared';
  /** Measured time. Before it runs `warmUpSec`, so that nothing begins from an empty installation. */
  readonly seconds: number;
  readonly warmUpSec: number;
  /** Conversations are spread over so many queues, each with workers of its own. An installation of today has one. */
  readonly queues: number;
  readonly turnSec: number;
  readonly modelCallsPerTurn: number;
  /** Added to a turn that starts the CLI, and to one that needs an environment besides. */
  readonly startSec: { readonly cli: number; readonly environment: number };
  /** How long Lambda keeps an idle environment. AWS does not say; minutes are seen. */
  readonly idleSec: number;
  readonly tenants: number;
  readonly quotas: Quotas;
  readonly seed: number;
}

export interface Outcome {
  /** Messages that came, warm-up included: each has finished, runs or waits. */
  readonly turns: number;
  readonly finished: number;
  readonly running: number;
  readonly waiting: number;
  readonly hotShare: number;
  /** From the message to the agent's first step, without any start. */
  readonly waitSec: { readonly median: number; readonly p99: number };
  readonly heldSec: number;
  readonly peak: {
    readonly turnsPerSec: number;
    readonly executions: number;
    readonly environments: number;
  };
  /** Peak use over quota, by part; above 1 the part gives. */
  readonly load: Readonly<Record<Part, number>>;
}

export type Part =
  | 'executions'
  | 'environments of sessions'
  | 'new environments'
  | 'turns at once of a queue'
  | 'requests to a queue'
  | 'counters of a tenant'
  | 'list of a tenant'
  | 'prefix of objects';

export const TYPICAL_SCENARIO: Omit<Scenario, 'people' | 'pattern' | 'agents'> = {
  seconds: 1_800,
  warmUpSec: 1_200,
  queues: 1,
  turnSec: 20,
  modelCallsPerTurn: 3,
  startSec: { cli: 0.7, environment: 2.5 },
  idleSec: 420,
  tenants: 1,
  quotas: DEFAULT_QUOTAS,
  seed: 1,
};

/** Turns at once with which a mapping begins. */
const MAPPING_START = 5;

interface Turn {
  readonly conversation: number;
  readonly arrivedSec: number;
  /** Turns of this sitting that follow. */
  readonly left: number;
}

type Event =
  | { readonly kind: 'message'; readonly turn: Turn }
  | { readonly kind: 'end'; readonly turn: Turn; readonly heldSec: number }
  | { readonly kind: 'idle-out'; readonly conversation: number; readonly usedSec: number };

export function simulate(scenario: Scenario): Outcome {
  const { people, quotas, agents } = scenario;
  const random = createRandom(scenario.seed);
  const pauses = random.fork('pauses');
  const lengths = random.fork('lengths');
  const arrivals = sittings(
    people,
    scenario.pattern,
    { fromSec: -scenario.warmUpSec, seconds: scenario.seconds },
    random.fork('sittings'),
  );
  const events = new EventQueue<Event>();
  const environmentLimit = (quotas.concurrency / 1_000) * quotas.tenantEnvironmentsPerThousand;
  const perTurn = PER_TURN.executions[agents];

  /** Last use of the environment of a session that is alive; busy ones have no end yet. */
  const alive = new Map<number, number>();
  const busy = new Set<number>();
  const waiting: Turn[] = [];
  let firstWaiting = 0;
  const behind = new Map<number, Turn[]>();
  let executions = 0;
  const mappings = { allowed: MAPPING_START * scenario.queues, grownSec: -scenario.warmUpSec };
  const queueLimit = quotas.turnsPerQueue * scenario.queues;
  let turns = 0;
  let begun = 0;
  let measured = 0;
  let hot = 0;
  let held = 0;
  const waits: number[] = [];
  const startedIn = new Map<number, number>();
  const environmentsIn = new Map<number, number>();
  const peak = { executions: 0, environments: 0 };
  let idle: number[] = [];

  /** Each mapping takes on more while messages wait. */
  const allowedTurns = (nowSec: number): number => {
    const more = ((nowSec - mappings.grownSec) / 60) * quotas.queueRampPerMin * scenario.queues;
    mappings.grownSec = nowSec;
    if (executions / perTurn >= mappings.allowed - 1) {
      mappings.allowed = Math.min(queueLimit, mappings.allowed + more);
    }
    return mappings.allowed;
  };

  const free = (nowSec: number, conversation: number): 'hot' | 'new' | null => {
    if (executions + perTurn > quotas.concurrency) return null;
    if (executions / perTurn >= allowedTurns(nowSec)) return null;
    if (agents === 'isolated' && alive.has(conversation)) return 'hot';
    const window = Math.floor(nowSec / 10);
    if ((environmentsIn.get(window) ?? 0) >= quotas.rampPer10Sec) return null;
    if (agents === 'isolated' && alive.size >= environmentLimit) return null;
    return 'new';
  };

  /** `shared`: any idle environment serves, and it is rarely the one with this session's process. */
  const begin = (nowSec: number, turn: Turn, how: 'hot' | 'new') => {
    let startSec: number = scenario.startSec.cli;
    let hotNow = how === 'hot';
    if (hotNow) {
      startSec = 0;
    } else if (agents === 'isolated' || idle.length === 0) {
      startSec += scenario.startSec.environment;
      const window = Math.floor(nowSec / 10);
      environmentsIn.set(window, (environmentsIn.get(window) ?? 0) + 1);
    } else {
      const last = idle.pop();
      if (last === turn.conversation) {
        hotNow = true;
        startSec = 0;
      }
    }
    const heldSec = startSec + exponential(scenario.turnSec, lengths);
    executions += perTurn;
    begun++;
    alive.set(turn.conversation, Number.POSITIVE_INFINITY);
    events.push(nowSec + heldSec, { kind: 'end', turn, heldSec });
    if (nowSec < 0) return;
    measured++;
    if (hotNow) hot++;
    held += heldSec;
    waits.push(nowSec - turn.arrivedSec);
    peak.executions = Math.max(peak.executions, executions);
    peak.environments = Math.max(
      peak.environments,
      agents === 'isolated' ? alive.size : executions + idle.length,
    );
    const second = Math.floor(nowSec);
    startedIn.set(second, (startedIn.get(second) ?? 0) + 1);
  };

  const serve = (nowSec: number) => {
    while (firstWaiting < waiting.length) {
      const turn = waiting[firstWaiting] as Turn;
      const how = free(nowSec, turn.conversation);
      if (how === null) return;
      firstWaiting++;
      begin(nowSec, turn, how);
    }
  };

  const arrive = (nowSec: number, turn: Turn) => {
    turns++;
    if (busy.has(turn.conversation)) {
      behind.set(turn.conversation, [...(behind.get(turn.conversation) ?? []), turn]);
      return;
    }
    busy.add(turn.conversation);
    waiting.push(turn);
    serve(nowSec);
  };

  const end = (nowSec: number, { conversation, left }: Turn) => {
    executions -= perTurn;
    if (agents === 'isolated') alive.set(conversation, nowSec);
    else {
      alive.delete(conversation);
      idle.push(conversation);
    }
    events.push(nowSec + scenario.idleSec, { kind: 'idle-out', conversation, usedSec: nowSec });
    busy.delete(conversation);
    const [next, ...rest] = behind.get(conversation) ?? [];
    if (next) {
      if (rest.length > 0) behind.set(conversation, rest);
      else behind.delete(conversation);
      busy.add(conversation);
      waiting.push(next);
    }
    if (left > 0) {
      const atSec = nowSec + exponential(people.pauseSec, pauses);
      events.push(atSec, { kind: 'message', turn: { conversation, arrivedSec: atSec, left: left - 1 } });
    }
    serve(nowSec);
  };

  let sitting = arrivals.next();
  for (;;) {
    const eventSec = events.nextAt();
    const sittingSec = sitting.done ? Number.POSITIVE_INFINITY : sitting.value.atSec;
    const nowSec = Math.min(eventSec, sittingSec);
    if (nowSec >= scenario.seconds) break;
    if (sittingSec <= eventSec && !sitting.done) {
      const { conversation, turns: planned } = sitting.value;
      sitting = arrivals.next();
      arrive(nowSec, { conversation, arrivedSec: nowSec, left: planned - 1 });
      continue;
    }
    const event = events.pop();
    if (event.kind === 'message') arrive(nowSec, event.turn);
    else if (event.kind === 'end') end(nowSec, event.turn);
    else {
      if (agents === 'shared') idle = idle.slice(1);
      else if (alive.get(event.conversation) === event.usedSec) alive.delete(event.conversation);
      serve(nowSec);
    }
  }

  const turnsPerSec = peakOver(startedIn, 10, scenario.seconds);
  const perTenant = turnsPerSec / scenario.tenants;
  const sorted = Float64Array.from(waits).sort();
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  return {
    turns,
    finished: begun - executions / perTurn,
    waiting: turns - begun,
    running: executions / perTurn,
    hotShare: hot / Math.max(1, measured),
    waitSec: { median: at(0.5), p99: at(0.99) },
    heldSec: held / Math.max(1, measured),
    peak: { turnsPerSec, ...peak },
    load: {
      executions: peak.executions / quotas.concurrency,
      'environments of sessions': agents === 'isolated' ? peak.environments / environmentLimit : 0,
      'new environments':
        Math.max(0, ...[...environmentsIn].filter(([window]) => window >= 0).map(([, count]) => count)) /
        quotas.rampPer10Sec,
      'turns at once of a queue': peak.executions / perTurn / queueLimit,
      'requests to a queue':
        (turnsPerSec * PER_TURN.queueRequests) / quotas.queueRequestsPerSec / scenario.queues,
      'counters of a tenant':
        (perTenant * scenario.modelCallsPerTurn * PER_TURN.tenantCounterWritesPerModelCall) /
        quotas.partitionWritesPerSec,
      'list of a tenant': (perTenant * PER_TURN.tenantIndexWrites) / quotas.partitionWritesPerSec,
      'prefix of objects': (perTenant * PER_TURN.puts) / quotas.prefixPutsPerSec,
    },
  };
}

/** The busiest stretch of so many seconds, as turns a second. */
function peakOver(counts: ReadonlyMap<number, number>, seconds: number, until: number): number {
  let most = 0;
  for (let from = 0; from < until; from += seconds) {
    let sum = 0;
    for (let second = from; second < from + seconds; second++) sum += counts.get(second) ?? 0;
    most = Math.max(most, sum / seconds);
  }
  return most;
}
