// The plan of a run with outages, as plain data that follows from the seed: who writes what and when, which part is away
// from when to when, which worker dies. Times count from the start of the run, by its own clock. One part is away at a
// time, so that it is plain what a person must read.
import type { PlannedMessage } from '../planned.ts';
import { createRandom, type Random } from '../random.ts';

export const PARTS = ['model', 'store', 'queue', 'objects', 'telegram'] as const;
export type Part = (typeof PARTS)[number];

export interface Outage {
  readonly part: Part;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Of the model and of Telegram: the HTTP status that it answers with. */
  readonly status: number;
  /** The time that it names in each answer. */
  readonly namedSec: number | null;
  /** Away for this chat only. */
  readonly chat: number | null;
}

export interface TimedMessage extends PlannedMessage {
  readonly atMs: number;
  /** How long the model takes for it. */
  readonly modelMs: number;
}

export interface OutagePlan {
  readonly seed: number;
  readonly messages: readonly TimedMessage[];
  readonly outages: readonly Outage[];
  readonly deaths: readonly { readonly atMs: number; readonly worker: number }[];
}

export const WORKERS = 2;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export interface OutagePlanOptions {
  readonly seed: number;
  readonly turns: number;
  readonly chats: number;
}

export function createOutagePlan({ seed, turns, chats }: OutagePlanOptions): OutagePlan {
  const random = createRandom(seed).fork('outages');
  const outages = planOutages(random.fork('parts'), chats);
  const endMs = (outages.at(-1)?.untilMs ?? 0) + 20 * MINUTE_MS;
  const people = random.fork('people');
  const messages = Array.from({ length: turns }, (_, index): TimedMessage => {
    const chat = index < chats ? index + 1 : people.between(1, chats);
    return {
      number: 0,
      chat,
      channel: chat % 2 === 1 ? 'telegram' : 'http',
      pauseMs: 0,
      duplicates: 0,
      againAfterMs: null,
      atMs: messageTime(people, outages, endMs),
      // Long enough, now and then, that a part goes away in the middle of the turn.
      modelMs: people.chance(0.25) ? people.between(2_000, 100_000) : 0,
    };
  })
    .sort((a, b) => a.atMs - b.atMs)
    .map((message, index) => ({ ...message, number: index + 1 }));
  const deaths = random.fork('deaths');
  return {
    seed,
    messages,
    outages,
    deaths: Array.from({ length: deaths.between(2, 4) }, () => ({
      atMs: deaths.between(0, endMs),
      worker: deaths.between(0, WORKERS - 1),
    })),
  };
}

/** Two people, the model away for an hour: what it takes to see a wait that is silent, or that counts as a failure. */
export function hourWithoutModel(): OutagePlan {
  const message = (number: number, chat: number, atMs: number): TimedMessage => ({
    number,
    chat,
    channel: chat % 2 === 1 ? 'telegram' : 'http',
    pauseMs: 0,
    duplicates: 0,
    againAfterMs: null,
    atMs,
    modelMs: 0,
  });
  const [fromMs, untilMs] = [10 * MINUTE_MS, 70 * MINUTE_MS];
  return {
    seed: 0,
    messages: [
      message(1, 1, 0),
      message(2, 2, 0),
      message(3, 1, fromMs + 1_000),
      message(4, 2, fromMs + 2_000),
    ],
    outages: [{ part: 'model', fromMs, untilMs, status: 529, namedSec: null, chat: null }],
    deaths: [],
  };
}

/** Every part once, the model a second time with a time that it names, and two outages that only one chat meets. */
function planOutages(random: Random, chats: number): Outage[] {
  const drafts: Pick<Outage, 'part' | 'namedSec' | 'chat'>[] = [
    ...PARTS.map((part) => ({ part, namedSec: null, chat: null })),
    { part: 'model', namedSec: random.between(20, 1_500), chat: null },
    { part: 'telegram', namedSec: random.between(15, 600), chat: null },
    { part: 'model', namedSec: null, chat: random.between(1, chats) },
    { part: 'objects', namedSec: null, chat: random.between(1, chats) },
  ];
  const order = drafts.map((draft) => ({ draft, place: random.next() })).sort((a, b) => a.place - b.place);
  const hours = new Set([random.between(0, drafts.length - 1), random.between(0, drafts.length - 1)]);
  let atMs = 0;
  return order.map(({ draft }, index) => {
    // Longer than the longest wait: what one outage left waiting is answered before the next begins.
    const fromMs = atMs + random.between(26 * MINUTE_MS, 40 * MINUTE_MS);
    const lastsMs = hours.has(index)
      ? random.between(HOUR_MS, 6 * HOUR_MS)
      : random.between(2 * MINUTE_MS, 20 * MINUTE_MS);
    atMs = fromMs + lastsMs;
    // 500 for one chat while the model answers others would be no outage, and ends as a reply.
    const statuses = draft.chat === null ? [500, 502, 503, 529] : [502, 503, 529];
    const status = draft.namedSec === null ? random.pick(statuses) : 429;
    return { ...draft, fromMs, untilMs: atMs, status };
  });
}

/** Two in five fall into an outage or shortly before one. */
function messageTime(random: Random, outages: readonly Outage[], endMs: number): number {
  if (!random.chance(0.4)) return random.between(0, endMs);
  const { fromMs, untilMs } = random.pick(outages);
  return random.chance(0.5)
    ? random.between(fromMs - 60_000, fromMs + 30_000)
    : random.between(fromMs, untilMs);
}
