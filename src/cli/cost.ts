// `cost`: what an installation on AWS costs a month, what that is made of, and what the same use costs elsewhere. It only calculates; it asks
// nobody.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Invalid } from '../core/errors.ts';
import { ALTERNATIVES, breakEvenUsers, OURS, turnsFor, usersOf } from '../cost/alternatives.ts';
import { type AwsPrices, awsPricesSchema, US_EAST_1 } from '../cost/aws-prices.ts';
import { chartPage } from '../cost/chart.ts';
import { measuredUsage, readMeasuredTurns } from '../cost/measured-turn.ts';
import { type CostPart, monthlyCost, sum, type Usage } from '../cost/turn-cost.ts';
import { settingFault } from '../setting-fault.ts';
import type { CliContext } from './context.ts';

export interface CostOptions {
  readonly users: number;
  readonly turns: number;
  readonly seconds: number;
  readonly hotRate: number;
  readonly memory: number;
  readonly agents: 'isolated' | 'shared';
  readonly budget: number;
  readonly region?: string;
  readonly prices?: string;
  readonly compare?: boolean;
  readonly chart?: string;
  readonly json?: boolean;
  readonly measured?: string;
}

export function cost(context: CliContext, options: CostOptions, typical: Usage): void {
  const { terminal, cwd } = context;
  const prices = pricesOf(cwd, options);
  const measured = options.measured === undefined ? null : measuredIn(cwd, options.measured);
  const usage: Usage = {
    ...typical,
    users: options.users,
    turnsPerDay: options.turns,
    secondsPerTurn: options.seconds,
    hotRate: options.hotRate,
    memoryMb: options.memory,
    agents: options.agents,
    ...measured?.usage,
  };
  const month = monthlyCost(usage, prices);
  const bought = turnsFor(options.budget, usage, prices);
  if (options.chart !== undefined) writeFileSync(resolve(cwd, options.chart), chartPage(usage, prices));
  if (options.json) {
    terminal.json({
      usage,
      ...(measured && { measured_turns: measured.turns }),
      ...month,
      budget: options.budget,
      turns_bought: bought,
      compared: compared(usage, prices),
    });
    return;
  }
  terminal.line(
    `${terminal.style('bold', money(month.dollars))} a month for ${count(month.turns)} turns ` +
      `(${count(usage.users)} ${usage.users === 1 ? 'user' : 'users'}, ${count(usage.turnsPerDay)} turns a day each, ${rounded(usage.secondsPerTurn)} s, ${usage.agents}).`,
  );
  if (measured) {
    terminal.line(
      `Measured in ${count(measured.turns)} ${measured.turns === 1 ? 'turn' : 'turns'}: ${rounded(usage.secondsPerTurn)} s held, ${Math.round(usage.hotRate * 100)} % hot.`,
    );
  }
  terminal.line(
    `Prices of ${prices.region}, ${prices.asOf}, without free tiers and without what the model's tokens cost.`,
  );
  terminal.line();
  table(context, 'A TURN', 'US$ PER THOUSAND', month.perTurn, 1_000);
  terminal.line();
  table(context, 'A MONTH WITHOUT TURNS', 'US$', month.fixed, 1);
  terminal.line();
  terminal.line(
    `${money(options.budget)} a month buys ${count(bought)} turns: ${count(usersOf(bought, usage))} such users.`,
  );
  if (options.compare) {
    terminal.line();
    terminal.table(
      ['THE SAME ELSEWHERE', 'US$ A MONTH', 'BREAK-EVEN', 'WHAT IT IS'],
      compared(usage, prices).map((row) => [row.title, money(row.dollars), row.breakEven, row.about]),
    );
  }
  if (options.chart !== undefined) terminal.note(`The chart is in ${options.chart}.`);
}

function compared(usage: Usage, prices: AwsPrices) {
  const ours = OURS.find(({ id }) => id === usage.agents);
  return [...OURS, ...ALTERNATIVES].map((other) => {
    const crossing = ours && other !== ours ? breakEvenUsers(ours, other, usage, prices) : null;
    const cheaper = crossing?.cheaperAbove === 'other' ? 'cheaper from' : 'dearer from';
    return {
      id: other.id,
      title: other.title,
      about: other.about,
      dollars: other.month(usage, prices),
      breakEvenUsers: crossing?.users ?? null,
      breakEven: crossing ? `${cheaper} ${count(crossing.users)} users` : '-',
    };
  });
}

/** Lines of JSON, or one JSON value: timelines and lists of turns as this program prints them, or lines of the log. */
function measuredIn(cwd: string, file: string) {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : resolve(cwd, file), 'utf8');
  } catch (cause) {
    throw new Invalid('usage', `${file} cannot be read.`, { cause });
  }
  const turns = (parsed(text) ?? text.split('\n').flatMap((line) => parsed(line) ?? [])).flatMap(
    (value) => readMeasuredTurns(value) ?? [],
  );
  const usage = measuredUsage(turns);
  if (usage) return { usage, turns: turns.length };
  throw new Invalid('usage', `${file} holds no timeline of a turn that ran an agent.`, {
    advice:
      'Give what `hybrid-sessions turns list CHAT --json` prints, or the lines `turn-timeline` of the log, one a line.',
  });
}

function parsed(text: string): unknown[] | null {
  try {
    return [JSON.parse(text)];
  } catch {
    return null;
  }
}

function pricesOf(cwd: string, { region, prices: file }: CostOptions): AwsPrices {
  if (file === undefined) {
    if (region === undefined || region === US_EAST_1.region) return US_EAST_1;
    throw new Invalid(
      'usage',
      `There is no price list for ${region} in this version, only for ${US_EAST_1.region}.`,
      {
        advice:
          'Write one in the form that `hybrid-sessions cost --print-prices` prints and give it with --prices FILE.',
      },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(resolve(cwd, file), 'utf8'));
  } catch (cause) {
    throw new Invalid('bad-config', `${file} cannot be read as JSON.`, { cause });
  }
  const parsed = awsPricesSchema.safeParse(value);
  if (!parsed.success) throw new Invalid('bad-config', `${file}: ${settingFault(parsed.error)}`);
  if (region !== undefined && region !== parsed.data.region) {
    throw new Invalid('usage', `${file} has the prices of ${parsed.data.region}, not of ${region}.`);
  }
  return parsed.data;
}

function table(
  context: CliContext,
  head: string,
  unit: string,
  parts: readonly CostPart[],
  times: number,
): void {
  const dollars = (value: number) => (value * times).toFixed(4).padStart(10);
  context.terminal.table(
    [head, unit],
    [...parts.map((part) => [part.name, dollars(part.dollars)]), ['together', dollars(sum(parts))]],
  );
}

const count = (value: number) => value.toLocaleString('en-US');
const rounded = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: 1 });
const money = (dollars: number) =>
  `$${dollars.toLocaleString('en-US', dollars < 100 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { maximumFractionDigits: 0 })}`;
