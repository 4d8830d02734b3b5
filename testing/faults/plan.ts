// The plan of a run, as plain data: who writes what and when, and which fault happens where. Everything follows from
// the seed. What depends on the machine's scheduling is in the history instead. A fault happens at most once, in the
// process that reaches it first.
import { TURN_POINTS } from '../../src/core/running-turn.ts';
import { withActs } from './acts.ts';
import { HANGS, HOST_STEPS, HOT_FAULTS, type HostStep, isHang, LIES, lieOf } from './host-faults.ts';
import { type Plan, type PlannedFault, type PlannedMessage, STORE_CALLS } from './planned.ts';
import { createRandom, type Random } from './random.ts';

export interface PlanOptions {
  readonly seed: number;
  readonly turns: number;
  readonly chats: number;
  readonly workers?: number;
  /** Share of messages that meet a fault (default 0.45). */
  readonly faultRate?: number;
  readonly agent: 'light' | 'real';
  /** Agents run in host processes, and faults strike those, too. */
  readonly hosts?: boolean;
  readonly meanPauseMs?: number;
  /** People do other things besides writing messages (acts.ts). On by default. */
  readonly acts?: boolean;
}

export function createPlan(options: PlanOptions): Plan {
  const { seed, turns, chats, workers = 3, faultRate = 0.45, agent, meanPauseMs = 150 } = options;
  const kinds = options.hosts ? [...KINDS, ...(agent === 'light' ? HOST_KINDS : HOT_KINDS)] : KINDS;
  const random = createRandom(seed);
  const users = random.fork('people');
  const faultRandom = random.fork('faults');
  const messages: PlannedMessage[] = [];
  const faults: PlannedFault[] = [];
  for (let number = 1; number <= turns; number++) {
    const chat = number <= chats ? number : users.between(1, chats);
    messages.push({
      number,
      chat,
      channel: chat % 2 === 1 ? 'telegram' : 'http',
      pauseMs: users.between(0, meanPauseMs * 2),
      duplicates: users.chance(0.15) ? users.between(1, 2) : 0,
      againAfterMs: users.chance(0.1) ? users.between(0, 4_000) : null,
    });
    if (faultRandom.chance(faultRate))
      faults.push(...faultsOn(number, chat % 2 === 1, agent, kinds, faultRandom));
  }
  const done = options.acts === false ? null : createActs(messages, agent, kinds, random);
  const skews = random.fork('clocks');
  const skewMs = Array.from({ length: workers }, (_, index) => (index === 0 ? 0 : skews.between(-900, 900)));
  return {
    seed,
    workers,
    skewMs,
    messages,
    faults,
    ...done,
    ...(done && { faults: [...faults, ...done.faults] }),
  };
}

const ACT_RATE = 0.3;
const ACT_FAULT_RATE = 0.4;

function createActs(
  messages: readonly PlannedMessage[],
  agent: 'light' | 'real',
  kinds: readonly Kind[],
  random: Random,
): Pick<Plan, 'messages' | 'faults'> {
  const done = withActs(messages, { rate: ACT_RATE, agent, random: random.fork('acts') });
  const struck = random.fork('faults of acts');
  const faults = done.messages.flatMap(({ act, number, channel }) =>
    act && struck.chance(ACT_FAULT_RATE)
      ? faultsOn(number, channel === 'telegram', agent, kinds, struck)
      : [],
  );
  return { messages: done.messages, faults: [...done.faults, ...faults] };
}

type Draft = Omit<PlannedFault, 'id' | 'message'>;

const isHostHang = ({ place, how }: Draft): boolean => place.startsWith('host:') && isHang(how);

/** One to three faults; at most two that cost an attempt, so that the third can succeed. */
function faultsOn(
  message: number,
  telegram: boolean,
  agent: 'light' | 'real',
  kinds: readonly Kind[],
  random: Random,
): PlannedFault[] {
  const drafts: Draft[] = [];
  let costly = 0;
  for (let left = random.between(1, 3); left > 0; left--) {
    const kind = random.pick(telegram ? kinds : kinds.filter((each) => each !== TELEGRAM));
    for (const draft of kind(random, agent)) {
      const cost = costs(draft);
      if (cost && costly === 2) continue;
      // A message whose hosts hang twice is given up.
      if (isHostHang(draft) && drafts.some(isHostHang)) continue;
      if (cost) costly++;
      drafts.push(draft);
    }
  }
  return drafts.map((draft, index) => ({ ...draft, id: `${message}-${index}`, message }));
}

const BEFORE_COMMIT = new Set([
  'at:after-lease',
  'at:after-restore',
  'at:mid-run',
  'at:after-agent',
  'at:after-pack',
]);

/** True when the attempt it strikes is lost and counted. */
function costs({ place, how }: Draft): boolean {
  if (how === 'slow' || how === 'deadline') return false;
  const [, step] = place.split('host:');
  // One that hangs gives way to another within the same attempt.
  if (step !== undefined) return how === 'kill' || lieOf(step as HostStep, how)?.barred === true;
  return (
    BEFORE_COMMIT.has(place) ||
    place === 'store.begin' ||
    place === 'store.commit' ||
    place.startsWith('objects.')
  );
}

type Kind = (random: Random, agent: 'light' | 'real') => Draft[];

const KILL: Kind = (random) => {
  const point = random.pick(TURN_POINTS);
  const late = point === 'mid-run' && random.chance(0.6);
  return [
    // A turn killed in the middle is sometimes a long one, with a checkpoint behind it.
    ...(late ? [{ place: 'model', how: 'slow', ms: 700 } as const] : []),
    { place: `at:${point}`, how: 'kill', ms: late ? random.between(300, 600) : 0 },
  ];
};
const PAUSE: Kind = (random) => [
  { place: `at:${random.pick(TURN_POINTS)}`, how: 'pause', ms: random.between(2_200, 3_500) },
];
const AGENT_KILL: Kind = (random) => [{ place: 'at:mid-run', how: 'agent-kill', ms: random.between(0, 60) }];
const DEADLINE: Kind = (random) => [
  { place: 'model', how: 'slow', ms: 500 },
  { place: 'at:mid-run', how: 'deadline', ms: random.between(0, 300) },
];
const STORE: Kind = (random) => [
  {
    place: `store.${random.pick(STORE_CALLS)}`,
    how: random.pick(['refuse', 'lose', 'slow']),
    ms: random.between(100, 900),
  },
];
const OBJECTS: Kind = (random) => {
  const call = random.pick(['put', 'get', 'stream'] as const);
  const how = random.pick(call === 'put' ? ['refuse', 'lose', 'slow', 'full'] : ['refuse', 'slow', 'cut']);
  return [{ place: `objects.${call}`, how, ms: random.between(100, 900) }];
};
const QUEUE: Kind = (random) => {
  const call = random.pick(['ack', 'extend', 'retry', 'receive'] as const);
  return [
    {
      place: `queue.${call}`,
      how: call === 'receive' ? 'repeat' : random.pick(['refuse', 'lose', 'slow']),
      ms: random.between(0, 2_500),
    },
  ];
};
const SERVER: Kind = (random) => [
  {
    place: `server.${random.pick(['accept', 'send', 'answer'] as const)}`,
    how: random.pick(['kill', 'refuse', 'lose', 'slow']),
    ms: random.between(50, 500),
  },
];
const MODEL: Kind = (random, agent) => [
  {
    place: 'model',
    how: random.pick(['429', '529', '500', 'cut', 'slow', ...(agent === 'light' ? ['hang'] : [])]),
    ms: random.between(200, 1_200),
  },
];
const TELEGRAM: Kind = (random) => [
  {
    place: 'telegram',
    method: random.pick(['sendMessage', 'editMessageText', 'deleteMessage'] as const),
    how: random.pick(['rate-limit', '500', '500-applied', 'cut-before', 'cut-after', 'slow']),
    ms: random.between(50, 900),
    after: random.between(0, 1),
  },
];
const HOST_KILL: Kind = (random) => [
  { place: `host:${random.pick(HOST_STEPS)}`, how: 'kill', ms: random.between(0, 200) },
];
const HOST_HANG: Kind = (random) => {
  const step = random.pick(HOST_STEPS);
  return [{ place: `host:${step}`, how: random.pick(HANGS[step]), ms: random.between(0, 100) }];
};
const HOST_LIE: Kind = (random) => {
  const { step, how } = random.pick(LIES);
  return [{ place: `host:${step}`, how, ms: random.between(0, 50) }];
};
/** Killing and pausing are what everything else is measured by, so they come up more often. */
const KINDS: readonly Kind[] = [
  KILL,
  KILL,
  KILL,
  PAUSE,
  AGENT_KILL,
  DEADLINE,
  STORE,
  STORE,
  OBJECTS,
  QUEUE,
  SERVER,
  MODEL,
  TELEGRAM,
  TELEGRAM,
];
const HOST_KINDS: readonly Kind[] = [HOST_KILL, HOST_KILL, HOST_KILL, HOST_HANG, HOST_LIE, HOST_LIE];
/** The real agent stays for its session's next turn. */
const HOT: Kind = (random) => [
  { place: 'hot:rest', how: random.pick(HOT_FAULTS), ms: random.between(0, 400) },
];
const HOT_KINDS: readonly Kind[] = [HOT, HOT, HOT, HOT];
