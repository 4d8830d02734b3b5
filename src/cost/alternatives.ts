// The same use on other compute, by what each of them bills for. Every assumption is a named figure below; whoever doubts one changes it.
import type { AwsPrices } from './aws-prices.ts';
import { DAYS_PER_MONTH, MB_PER_GB, monthlyCost, turnsPerMonth, type Usage } from './turn-cost.ts';

export interface Alternative {
  readonly id: string;
  readonly title: string;
  /** What is bought, in a sentence. */
  readonly about: string;
  readonly month: (usage: Usage, prices: AwsPrices) => number;
}

const HOURS_PER_MONTH = 730;
const SECONDS_PER_MONTH = HOURS_PER_MONTH * 3_600;
/** Busiest hour over the average one. */
const PEAK = 5;
/** A live CLI with its worker: 0.5 GB and a quarter of a CPU. */
const SLOT = { cpu: 0.25, gb: 0.5 };
const TASK_SLOTS = 4;
const MIN_TASKS = 2;
const BOX_TURNS = 14;
const MIN_BOXES = 2;
const AGENT_CORE = { cpuSec: 3, gb: 0.7, idleSec: 60 };
/** The first published version of this idea: an agent of 2 GB, and a consumer of 0.5 GB that waits for it; every turn starts the CLI. */
const FIRST = { agentGb: 2, waitingGb: 0.5, startSec: 3, storedTwice: 2 };

const boxMonth = ({ ec2 }: AwsPrices) => ec2.hour * HOURS_PER_MONTH + ec2.diskMonth + ec2.publicAddressMonth;

const turnsAtPeak = (usage: Usage) =>
  ((usage.users * usage.turnsPerDay) / 86_400) * usage.secondsPerTurn * PEAK;

const egress = (usage: Usage, prices: AwsPrices) =>
  turnsPerMonth(usage) * (usage.promptMbPerTurn / MB_PER_GB) * prices.egressGb;

export const OURS: readonly Alternative[] = [
  {
    id: 'isolated',
    title: 'hybrid-sessions, isolated',
    about: 'each session in a virtual machine of its own while it runs',
    month: (usage, prices) => monthlyCost({ ...usage, agents: 'isolated' }, prices).dollars,
  },
  {
    id: 'shared',
    title: 'hybrid-sessions, shared',
    about: 'one function, for people who trust each other',
    month: (usage, prices) => monthlyCost({ ...usage, agents: 'shared' }, prices).dollars,
  },
];

export const ALTERNATIVES: readonly Alternative[] = [
  {
    id: 'fargate',
    title: 'Fargate, pool',
    about: `slots of ${SLOT.cpu} CPU and ${SLOT.gb} GB for the busiest hour, two tasks at least, a load balancer`,
    month: (usage, prices) => {
      const { fargate } = prices;
      const slots = Math.max(Math.ceil(turnsAtPeak(usage)), MIN_TASKS * TASK_SLOTS);
      const slot = (SLOT.cpu * fargate.cpuSec + SLOT.gb * fargate.gbSec) * SECONDS_PER_MONTH;
      return slots * slot + prices.loadBalancerMonth + egress(usage, prices);
    },
  },
  {
    id: 'ec2',
    title: 'EC2, pool',
    about: `t4g.large boxes with ${BOX_TURNS} turns at once each, two at least, a load balancer`,
    month: (usage, prices) => {
      const boxes = Math.max(Math.ceil(turnsAtPeak(usage) / BOX_TURNS), MIN_BOXES);
      return boxes * boxMonth(prices) + prices.loadBalancerMonth + egress(usage, prices);
    },
  },
  {
    id: 'dedicated',
    title: 'one box for each user',
    about: 'a t4g.large that is always on: the dedicated server of one person or customer',
    month: (usage, prices) => usage.users * boxMonth(prices) + egress(usage, prices),
  },
  {
    id: 'agentcore',
    title: 'Bedrock AgentCore',
    about: `${AGENT_CORE.cpuSec} CPU seconds and ${AGENT_CORE.gb} GB a turn, memory billed for ${AGENT_CORE.idleSec} s more`,
    month: (usage, { agentCore, ...prices }) => {
      const cpu = (AGENT_CORE.cpuSec / 3_600) * agentCore.cpuHour;
      const heldHours = (usage.secondsPerTurn + AGENT_CORE.idleSec) / 3_600;
      const turn = cpu + AGENT_CORE.gb * heldHours * agentCore.gbHour;
      return turnsPerMonth(usage) * turn + egress(usage, { agentCore, ...prices });
    },
  },
  {
    id: 'managed-agents',
    title: 'Claude Managed Agents',
    about: 'an hour is billed while a session runs',
    month: (usage, { managedAgentsHour }) =>
      turnsPerMonth(usage) * (usage.secondsPerTurn / 3_600) * managedAgentsHour,
  },
  {
    id: 'first',
    title: 'first version of this idea',
    about:
      '2 GB run the agent while 0.5 GB wait for it, the CLI starts every time, whole files go down and up',
    month: (usage, prices) => {
      const { lambda, s3, sqsFifoRequest, dynamo, logs } = prices;
      const sec = usage.secondsPerTurn + FIRST.startSec;
      const turn =
        (FIRST.agentGb + FIRST.waitingGb) * sec * lambda.gbSec +
        3 * lambda.request +
        3 * (s3.put + s3.get) +
        3 * sqsFifoRequest +
        2 * dynamo.writeUnit +
        dynamo.readUnit +
        (20 / 1024 ** 2) * logs.gb;
      const stored = ((usage.users * usage.storedMbPerUser) / MB_PER_GB) * FIRST.storedTwice * s3.gbMonth;
      return turnsPerMonth(usage) * turn + stored + egress(usage, prices);
    },
  },
];

/**
 * The number of users from which on `other` is cheaper than `ours` (or, with `whileFewer`, up to which it is), between 1 and a million; null where
 * the two never cross.
 */
export function breakEvenUsers(
  ours: Alternative,
  other: Alternative,
  usage: Usage,
  prices: AwsPrices,
): { readonly users: number; readonly cheaperAbove: 'ours' | 'other' } | null {
  const oursCheaper = (users: number) =>
    ours.month({ ...usage, users }, prices) <= other.month({ ...usage, users }, prices);
  const first = oursCheaper(1);
  if (oursCheaper(MAX_USERS) === first) return null;
  let [low, high] = [1, MAX_USERS];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (oursCheaper(middle) === first) low = middle;
    else high = middle;
  }
  return { users: high, cheaperAbove: first ? 'other' : 'ours' };
}

const MAX_USERS = 1_000_000;

/** Turns a month that a budget buys, fixed costs of one user taken off first. */
export function turnsFor(budget: number, usage: Usage, prices: AwsPrices): number {
  const { perTurn, fixed } = monthlyCost({ ...usage, users: 1 }, prices);
  const turn = perTurn.reduce((all, part) => all + part.dollars, 0);
  const left = budget - fixed.reduce((all, part) => all + part.dollars, 0);
  return Math.max(0, Math.floor(left / turn));
}

export const usersOf = (turns: number, usage: Usage): number =>
  Math.floor(turns / (usage.turnsPerDay * DAYS_PER_MONTH));
