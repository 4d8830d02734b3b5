// What must hold while parts are away for minutes and hours, besides everything that ../check.ts asserts: the person is told
// within half a minute (HEARD), the outage burns no attempt, waits grow and named times are kept, and nobody waits for
// anything but what is away (APART).
import type { Findings } from '../findings.ts';
import type { HistoryLine } from '../injected-faults.ts';
import type { OutageCheck } from './check-input.ts';
import { type Life, livesOf } from './lives.ts';
import type { Outage } from './plan.ts';
import { longestSilenceMs } from './told.ts';
import { timesOf } from './worker.ts';

export const TOLD_WITHIN_MS = 30_000;
const FIRST_WAIT_MS = 15_000;
const LONGEST_WAIT_MS = 600_000;
/** Waits are up to a tenth shorter by chance. */
const CHANCE = 0.9;
/** So often a named time is kept to the second; after that it is a lower bound. */
const BELIEVED = 20;
/** For tries in place, a worker that looks at its queue, edits that are spaced. */
const SLACK_MS = 90_000;

export function checkOutages(input: OutageCheck, findings: Findings): void {
  const { leaseMs, visibilityMs } = timesOf(input.store);
  const takeoverMs = leaseMs + visibilityMs;
  const lives = livesOf(input);
  for (const life of lives) {
    checkHeard(life, input, takeoverMs, findings);
    checkBurnt(life, findings);
    checkWaits(life, findings);
    checkApart(life, takeoverMs, findings);
  }
  checkPlatform(input, lives, findings);
  checkCalls(input, findings);
}

/** A store that is away cannot be told of over HTTP: the events are in it. */
function isTold(part: Outage['part'], channel: string): boolean {
  return part === 'model' || part === 'objects' || (part === 'store' && channel === 'telegram');
}

function checkHeard(life: Life, { store }: OutageCheck, takeoverMs: number, { expect }: Findings): void {
  const { number, channel, shown, outages, headMs, answeredMs, attempts, deathsMs } = life;
  for (const outage of outages) {
    if (!isTold(outage.part, channel)) continue;
    const untilMs = Math.min(outage.untilMs, answeredMs);
    // An agent at work waits for nothing: it notices a store that is away when it cannot keep its lease.
    const isAtWork = attempts.some((each) => each.fromMs < outage.fromMs && outage.fromMs < each.untilMs);
    const noticesMs = isAtWork ? (outage.part === 'store' ? timesOf(store).leaseMs : longestRunMs(life)) : 0;
    const died = deathsMs.filter((atMs) => atMs < untilMs).at(-1);
    const fromMs = Math.max(headMs, outage.fromMs + noticesMs, died === undefined ? 0 : died + takeoverMs);
    const silentMs = longestSilenceMs(shown, fromMs, untilMs);
    if (untilMs - fromMs <= TOLD_WITHIN_MS) continue;
    expect(
      silentMs <= TOLD_WITHIN_MS,
      'heard',
      number,
      () => `Its person read nothing of the ${outage.part} that was away for ${seconds(silentMs)}.`,
    );
  }
}

/** The model's own time, where an agent was asked before the objects went away. */
const longestRunMs = ({ modelMs }: Life): number => modelMs + 1_000;

function checkBurnt(life: Life, { expect }: Findings): void {
  const { number, turn, deathsMs, outages } = life;
  if (turn === null) return;
  // What a store that is away cannot take back, and a worker that died could not.
  const excused = deathsMs.length + outages.filter(({ part }) => part === 'store').length;
  expect(
    turn.attempts <= 1 + excused && turn.reply?.code !== 'gave-up',
    'burnt',
    number,
    () =>
      `${turn.attempts} attempts, ${excused} of them excused; ${turn.reply?.code ?? turn.reply?.outcome}.`,
  );
}

/** The waits of one turn: as long as its tries ask for, or as the part named, and kept. */
function checkWaits({ number, waits, receivedMs, outages }: Life, { expect }: Findings): void {
  for (const { atMs, ms, tries, waitingFor } of waits) {
    const named = outages.find(({ fromMs, untilMs }) => fromMs <= atMs && atMs <= untilMs)?.namedSec ?? null;
    const grown = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries - 1, 30));
    const told = () =>
      `Try ${tries}: it waits ${seconds(ms)} for the ${waitingFor}, named ${named ?? 'nothing'}.`;
    if (named !== null && waitingFor === 'model') {
      const kept = tries > BELIEVED ? ms >= named * 1_000 : ms === named * 1_000;
      expect(kept, 'named', number, told);
    } else expect(ms >= grown * CHANCE - 1 && ms <= grown, 'hammering', number, told);
    const next = receivedMs.find((received) => received > atMs);
    expect(
      next === undefined || next >= atMs + ms - 1_000,
      'hammering',
      number,
      () => `It came back after ${seconds((next ?? 0) - atMs)} in place of ${seconds(ms)}.`,
    );
  }
}

function checkApart(life: Life, takeoverMs: number, { expect }: Findings): void {
  const { number, headMs, answeredMs, outages, deathsMs, modelMs } = life;
  const longest = Math.max(LONGEST_WAIT_MS, ...outages.map(({ namedSec }) => (namedSec ?? 0) * 1_000));
  const awayUntilMs =
    outages.length === 0 ? headMs : Math.max(headMs, ...outages.map((each) => each.untilMs));
  const allowedMs =
    awayUntilMs +
    (outages.length > 0 ? longest : 0) +
    (deathsMs.length + 1) * modelMs +
    deathsMs.length * (takeoverMs + SLACK_MS) +
    SLACK_MS;
  expect(
    answeredMs <= allowedMs,
    outages.length === 0 ? 'apart' : 'late',
    number,
    () =>
      `It was answered ${seconds(answeredMs - headMs)} after its turn came, ${seconds(answeredMs - allowedMs)} too late.`,
  );
}

/** Telegram names a time: no call to that chat comes before it is over. */
function checkPlatform(
  { plan, startMs, bot, history }: OutageCheck,
  lives: readonly Life[],
  { expect }: Findings,
): void {
  for (const outage of plan.outages) {
    if (outage.part !== 'telegram' || outage.namedSec === null) continue;
    const namedMs = outage.namedSec * 1_000;
    const [fromMs, untilMs] = [startMs + outage.fromMs, startMs + outage.untilMs];
    // Who has been told to wait is known to one process only.
    if (history.some(({ what, atMs }) => what === 'died' && fromMs <= atMs && atMs <= untilMs)) continue;
    for (const chat of new Set(
      lives.filter(({ channel }) => channel === 'telegram').map((each) => each.chatId),
    )) {
      const refused = bot.calls.filter(
        (call) =>
          call.outcome === '429' &&
          Number(call.payload.chat_id) === chat &&
          call.atMs <= untilMs &&
          call.atMs >= fromMs,
      );
      const gaps = refused.slice(1).map(({ atMs }, index) => atMs - (refused[index]?.atMs ?? 0));
      const early = gaps.filter((gap) => gap > 1_000 && gap < namedMs - 1_000);
      expect(
        early.length === 0,
        'named',
        null,
        () =>
          `Telegram named ${seconds(namedMs)}, and was called again after ${early.map(seconds).join(', ')}.`,
      );
    }
  }
}

/** How often a part that is away was called, against what the waits allow. */
function checkCalls({ plan, startMs, history, bot }: OutageCheck, { expect }: Findings): void {
  const chats = new Set(plan.messages.map(({ chat }) => chat)).size;
  for (const outage of plan.outages) {
    if (outage.chat !== null) continue;
    const isNow = ({ atMs }: { readonly atMs: number }) =>
      startMs + outage.fromMs <= atMs && atMs < startMs + outage.untilMs;
    const isCall = ({ what, part, who }: HistoryLine) =>
      outage.part === 'model' ? what === 'model-call' : part === outage.part && who !== 'server';
    const calls =
      outage.part === 'telegram'
        ? bot.calls.filter(isNow).length
        : history.filter(isNow).filter(isCall).length;
    const allowed = chats * CALLS_OF_A_TRY * (triesIn(outage) + 2);
    expect(
      calls <= allowed,
      'hammering',
      null,
      () =>
        `The ${outage.part}, away for ${seconds(outage.untilMs - outage.fromMs)}, was called ${calls} times.`,
    );
  }
}

/** A turn at work notices with several calls at once; its first tries have more of them than the later ones. */
const CALLS_OF_A_TRY = 12;

function triesIn({ fromMs, untilMs, namedSec }: Outage): number {
  let tries = 0;
  let grownMs = FIRST_WAIT_MS;
  for (let atMs = fromMs; atMs < untilMs; tries++) {
    const believed = namedSec !== null && tries < BELIEVED;
    atMs += believed ? namedSec * 1_000 : grownMs * CHANCE;
    if (!believed) grownMs = Math.min(LONGEST_WAIT_MS, grownMs * 2);
  }
  return tries;
}

const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;
