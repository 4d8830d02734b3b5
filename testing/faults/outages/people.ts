// The people of a run with outages: each writes at the planned times, and again, with growing patience, until the message
// is acknowledged. While Telegram is away nobody can write there.
import type { Clock } from '../../../src/core/ports.ts';
import type { FakeBot } from '../../telegram/fake-bot.ts';
import type { Note } from '../injected-faults.ts';
import { promptOf } from '../planned.ts';
import { httpChatId, httpEntry, idempotencyKey, type Sent, telegramChatId, telegramEntry } from '../sent.ts';
import type { TimedMessage } from './plan.ts';
import type { Weather } from './ports-in-outages.ts';

export interface PeopleOptions {
  readonly bot: FakeBot;
  readonly secret: string;
  readonly serve: (request: Request) => Promise<Response>;
  readonly clock: Clock;
  readonly startMs: number;
  readonly weather: Weather;
  readonly note: Note;
}

const AGAIN = { firstMs: 10_000, maxMs: 300_000 };

/** Resolves when every message of the chat is acknowledged. */
export async function writeAll(
  messages: readonly TimedMessage[],
  options: PeopleOptions,
  sent: Sent[],
): Promise<void> {
  const { clock, startMs, weather, note } = options;
  for (const message of messages) {
    await clock.sleep(startMs + message.atMs - clock.now());
    let waitMs = AGAIN.firstMs;
    const again = async () => {
      await clock.sleep(waitMs);
      waitMs = Math.min(AGAIN.maxMs, waitMs * 2);
    };
    while (message.channel === 'telegram' && weather.away('telegram', message.chat) !== null) await again();
    const { entry, post } =
      message.channel === 'telegram' ? overTelegram(message, options) : overHttp(message, options);
    sent.push(entry);
    note('said', { message: message.number, turn: entry.turnId });
    while (!(await post())) await again();
    entry.acknowledgedAtMs = clock.now();
    note('acknowledged', { message: message.number, turn: entry.turnId });
  }
}

interface Written {
  readonly entry: Sent;
  /** True when it was acknowledged. */
  post(): Promise<boolean>;
}

function overTelegram(message: TimedMessage, { bot, secret, serve, clock }: PeopleOptions): Written {
  const { updateId } = bot.say(telegramChatId(message.chat), promptOf(message));
  const update = bot.feed.pending.find((each) => each.update_id === updateId);
  const headers = { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret };
  const body = JSON.stringify(update);
  return {
    entry: telegramEntry(message, bot.id, updateId, clock.now()),
    post: async () => (await serve(new Request(TELEGRAM, { method: 'POST', headers, body }))).ok,
  };
}

function overHttp(message: TimedMessage, { serve, clock }: PeopleOptions): Written {
  const url = `http://127.0.0.1/v1/chats/${httpChatId(message.chat)}/messages`;
  const headers = {
    'content-type': 'application/json',
    'idempotency-key': idempotencyKey(message),
    prefer: 'respond-async',
  };
  const body = JSON.stringify({ text: promptOf(message) });
  return {
    entry: httpEntry(message, clock.now()),
    post: async () => (await serve(new Request(url, { method: 'POST', headers, body }))).ok,
  };
}

const TELEGRAM = 'http://127.0.0.1/telegram';
