// One message's life in a run with outages, told from the history: when its turn came, what it waited for, which workers
// died over it, what its person could read, when it was answered.
import type { TurnRecord } from '../../../src/core/records.ts';
import type { HistoryLine } from '../injected-faults.ts';
import { telegramChatId } from '../sent.ts';
import type { OutageCheck } from './check-input.ts';
import type { Outage, TimedMessage } from './plan.ts';
import { type Shown, shownInTelegram, shownOverHttp } from './told.ts';

export interface Life {
  readonly number: number;
  readonly chat: number;
  readonly chatId: number;
  readonly channel: string;
  readonly modelMs: number;
  readonly turn: TurnRecord | null;
  /** It was acknowledged, and the message before it in its chat was done with. */
  readonly headMs: number;
  /** Infinity for never. */
  readonly answeredMs: number;
  /** Of the parts that this message needs, between those two; in the run's clock. */
  readonly outages: readonly Outage[];
  readonly receivedMs: readonly number[];
  readonly attempts: readonly { readonly fromMs: number; readonly untilMs: number }[];
  readonly waits: readonly Wait[];
  /** When a worker died that had this turn in hand. */
  readonly deathsMs: readonly number[];
  readonly shown: readonly Shown[];
}

export interface Wait {
  readonly atMs: number;
  readonly ms: number;
  readonly tries: number;
  readonly waitingFor: string;
}

export function livesOf(input: OutageCheck): Life[] {
  const { outcomes, plan, history } = input;
  const byTurn = Map.groupBy(history, ({ turn }) => String(turn));
  const lives: Life[] = [];
  for (const chat of Map.groupBy(outcomes, ({ sent }) => sent.sessionKey).values()) {
    let doneMs = 0;
    for (const { number, sent, turn } of [...chat].sort((a, b) => a.number - b.number)) {
      const message = plan.messages.find((each) => each.number === number);
      if (message === undefined) continue;
      const mine = byTurn.get(sent.turnId) ?? [];
      lives.push(lifeOf(message, { ...input, mine, turn, sentMs: sent.acknowledgedAtMs ?? 0, doneMs }));
      const done = mine.find(({ what }) => what === 'acked' || what === 'dead');
      doneMs = done?.atMs ?? Number.POSITIVE_INFINITY;
    }
  }
  return lives;
}

interface About extends OutageCheck {
  readonly mine: readonly HistoryLine[];
  readonly turn: TurnRecord | null;
  readonly sentMs: number;
  readonly doneMs: number;
}

function lifeOf(message: TimedMessage, about: About): Life {
  const { mine, turn, sentMs, doneMs, plan, startMs, history, bot } = about;
  const { number, chat, channel, modelMs } = message;
  const isTelegram = channel === 'telegram';
  const allShown = isTelegram ? shownInTelegram(bot, chat) : shownOverHttp(history, String(turn?.turnId));
  const headMs = Math.max(sentMs, doneMs);
  const reply = turn?.reply?.text.trim();
  const answer = allShown.find(({ text }) => text === (isTelegram ? reply : 'final'));
  const answeredMs = answer?.atMs ?? Number.POSITIVE_INFINITY;
  const outages = plan.outages
    .map((outage) => ({
      ...outage,
      fromMs: startMs + outage.fromMs,
      untilMs: startMs + outage.untilMs,
    }))
    .filter(
      (outage) =>
        outage.fromMs < answeredMs &&
        headMs < outage.untilMs &&
        (outage.chat === null || outage.chat === chat) &&
        (outage.part !== 'telegram' || isTelegram),
    );
  return {
    number,
    chat,
    chatId: telegramChatId(chat),
    channel,
    modelMs,
    turn,
    headMs,
    answeredMs,
    outages,
    receivedMs: mine.filter(({ what }) => what === 'received').map(({ atMs }) => atMs),
    attempts: attemptsOf(mine),
    waits: mine
      .filter(({ what }) => what === 'waits')
      .map(({ atMs, nextTryInMs, tries, waitingFor }) => ({
        atMs,
        ms: Number(nextTryInMs),
        tries: Number(tries),
        waitingFor: String(waitingFor),
      })),
    deathsMs: deathsOver(mine, history),
    // What was shown for earlier messages of the chat says nothing to this one's person.
    shown: allShown.filter(({ atMs }) => atMs >= headMs),
  };
}

const ENDS = new Set(['acked', 'dead', 'put-back']);

function attemptsOf(mine: readonly HistoryLine[]): { fromMs: number; untilMs: number }[] {
  return mine
    .filter(({ what }) => what === 'agent-run')
    .map(({ atMs: fromMs, who }) => {
      const end = mine.find((line) => line.atMs > fromMs && line.who === who && ENDS.has(line.what));
      return { fromMs, untilMs: end?.atMs ?? Number.POSITIVE_INFINITY };
    });
}

function deathsOver(mine: readonly HistoryLine[], history: readonly HistoryLine[]): number[] {
  return history.flatMap(({ what, whom, atMs }) => {
    if (what !== 'died') return [];
    const before = mine.filter((line) => line.atMs <= atMs && line.who.startsWith(`worker-${whom}.`));
    const lastOfIt = before.filter((line) => line.what === 'received' || ENDS.has(line.what)).at(-1);
    return lastOfIt?.what === 'received' ? [atMs] : [];
  });
}
