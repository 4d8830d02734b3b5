// What the infrastructure of one turn costs on AWS, part by part. The requests are those of docs/aws-calls.md, which a test counts;
// what is assumed beside them has a name and a sentence here. Tokens of the model are not in it.
import type { AwsPrices } from './aws-prices.ts';

/** How an installation is used, and how it is built. */
export interface Usage {
  readonly users: number;
  /** By each user. */
  readonly turnsPerDay: number;
  /** From the agent's first step to its last one, most of it waiting for the model. */
  readonly secondsPerTurn: number;
  /** Share of turns, 0 to 1, that find the session's process alive. */
  readonly hotRate: number;
  /** Of the function that runs agents. */
  readonly memoryMb: number;
  readonly agents: 'isolated' | 'shared';
  readonly modelCallsPerTurn: number;
  /** Sent to the model by all calls of a turn together. */
  readonly promptMbPerTurn: number;
  /** Stored for each user: packs of the session, compressed. */
  readonly storedMbPerUser: number;
}

export const TYPICAL: Usage = {
  users: 100,
  turnsPerDay: 30,
  secondsPerTurn: 20,
  hotRate: 0.5,
  memoryMb: 2048,
  agents: 'isolated',
  modelCallsPerTurn: 3,
  promptMbPerTurn: 0.8,
  storedMbPerUser: 5,
};

export interface CostPart {
  readonly name: string;
  readonly dollars: number;
}

export const DAYS_PER_MONTH = 30;
export const MB_PER_GB = 1024;
/** Memory that gives a function one whole CPU (AWS documentation). */
const MB_PER_CPU = 1_769;
/** CPU seconds of starting the CLI and resuming a session: 0.67 s at 1.16 CPUs, 1.1 s at 0.58, 2.7 s at 0.29 (measured by CPU quota). */
const CLI_START_CPU_SEC = 0.75;
/** A new environment loads the image and Node before that; counted for each turn that is not hot in `isolated`, else for a tenth. */
const ENVIRONMENT_START_CPU_SEC = 2.5;
const SHARED_COLD_SHARE = 0.1;
/** Worker of `isolated`, its gateway, and the functions that take messages. */
const SMALL_FUNCTION_GB = 256 / MB_PER_GB;
const INGRESS_SEC = 0.1;
const HEARTBEAT_SEC = 12;
const LOG_GB_PER_TURN = 20 / 1024 ** 2;

export interface TurnCostOptions {
  /** The seconds were measured, and the start of CLI and environment is in them. */
  readonly startIsInSeconds?: boolean;
}

export function turnCost(
  usage: Usage,
  prices: AwsPrices,
  { startIsInSeconds = false }: TurnCostOptions = {},
): readonly CostPart[] {
  const { lambda, dynamo, s3, sqsFifoRequest } = prices;
  const { hotRate, modelCallsPerTurn, secondsPerTurn } = usage;
  const isolated = usage.agents === 'isolated';
  const gb = usage.memoryMb / MB_PER_GB;
  const cpus = usage.memoryMb / MB_PER_CPU;
  const newEnvironments = isolated ? 1 - hotRate : Math.min(1 - hotRate, SHARED_COLD_SHARE);
  const estimatedSec =
    ((1 - hotRate) * CLI_START_CPU_SEC + newEnvironments * ENVIRONMENT_START_CPU_SEC) / cpus;
  const startSec = startIsInSeconds ? 0 : estimatedSec;
  const heldSec = secondsPerTurn + startSec;
  const beats = Math.floor(heldSec / HEARTBEAT_SEC);
  const parts: CostPart[] = [
    {
      name: 'agent held while the model thinks',
      dollars: gb * secondsPerTurn * lambda.gbSec + lambda.request,
    },
    { name: 'agent starting', dollars: gb * startSec * lambda.gbSec },
  ];
  if (isolated) {
    parts.push(
      {
        name: 'worker that waits for the agent',
        dollars: SMALL_FUNCTION_GB * heldSec * lambda.gbSec + lambda.request,
      },
      {
        name: 'model gateway',
        dollars: SMALL_FUNCTION_GB * secondsPerTurn * lambda.gbSec + modelCallsPerTurn * lambda.request,
      },
      { name: 'virtual machines of their own', dollars: newEnvironments * gb * lambda.tenantEnvironmentGb },
    );
  }
  parts.push(
    { name: 'taking the message', dollars: SMALL_FUNCTION_GB * INGRESS_SEC * lambda.gbSec + lambda.request },
    { name: 'queue', dollars: (3 + beats) * sqsFifoRequest },
    {
      name: 'lease, ledger, usage counters',
      // A turn writes 18 units and reads 10; a beat writes one and reads one; a call of the model is counted with 7 writes.
      dollars: (18 + beats + 7 * modelCallsPerTurn) * dynamo.writeUnit + (10 + beats) * dynamo.readUnit,
    },
    { name: 'packs of the session', dollars: s3.put + (1 - hotRate) * s3.get },
    { name: 'logs', dollars: LOG_GB_PER_TURN * prices.logs.gb },
    { name: 'sending prompts to the model', dollars: (usage.promptMbPerTurn / MB_PER_GB) * prices.egressGb },
  );
  return parts;
}

/** What an installation costs without any turn: alarms, dashboard, polls of empty queues, stored sessions. */
export function fixedMonth(usage: Usage, prices: AwsPrices): readonly CostPart[] {
  const storedGb = (usage.users * usage.storedMbPerUser) / MB_PER_GB;
  return [
    { name: 'alarms and dashboard', dollars: ALARMS * prices.alarmMonth + prices.dashboardMonth },
    { name: 'polls of empty queues', dollars: EMPTY_POLLS_PER_MONTH * prices.sqsFifoRequest },
    {
      name: 'stored sessions',
      dollars: storedGb * prices.s3.gbMonth + usage.users * 1e-5 * prices.dynamo.gbMonth,
    },
  ];
}

const ALARMS = 20;
const EMPTY_POLLS_PER_MONTH = 2_500_000;

export const sum = (parts: readonly CostPart[]): number => parts.reduce((all, part) => all + part.dollars, 0);

export const turnsPerMonth = (usage: Usage): number => usage.users * usage.turnsPerDay * DAYS_PER_MONTH;

export interface MonthlyCost {
  readonly turns: number;
  readonly perTurn: readonly CostPart[];
  readonly fixed: readonly CostPart[];
  readonly dollars: number;
}

export function monthlyCost(usage: Usage, prices: AwsPrices): MonthlyCost {
  const perTurn = turnCost(usage, prices);
  const fixed = fixedMonth(usage, prices);
  const turns = turnsPerMonth(usage);
  return { turns, perTurn, fixed, dollars: turns * sum(perTurn) + sum(fixed) };
}
