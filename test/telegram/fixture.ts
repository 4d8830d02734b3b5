// What the Telegram tests share: a fake server per test, the real API client over HTTP, and a ledger of one turn.
import { onTestFinished } from 'vitest';
import { parseAllowList } from '../../src/channels/telegram/allow-list.ts';
import { createTelegramApi, type TelegramApi } from '../../src/channels/telegram/api.ts';
import { type ParsedUpdate, parseUpdate } from '../../src/channels/telegram/parse-update.ts';
import { Conflict } from '../../src/core/errors.ts';
import type { SessionId, Tenant } from '../../src/core/ids.ts';
import type { Json, TurnRequest } from '../../src/core/messages.ts';
import type { SendContext } from '../../src/core/ports.ts';
import type { FakeBot } from '../../testing/telegram/fake-bot.ts';
import { startFakeTelegram } from '../../testing/telegram/fake-telegram.ts';

export const TOKEN = '4242:SECRET-half-of-the-token';
export const ANNA = 1001;
export const GROUP = -5005;
export const BOT = { id: '4242', username: 'hybrid_test_bot' };
export const ALLOW_ANNA = { tenant: 'acme', allow: parseAllowList(String(ANNA)) };

export interface Fixture {
  readonly bot: FakeBot;
  readonly api: TelegramApi;
  readonly apiRoot: string;
}

/** A fake server with one bot; closed when the test ends. */
export async function startFixture(options: { timeoutMs?: number } = {}): Promise<Fixture> {
  const telegram = await startFakeTelegram();
  onTestFinished(() => telegram.close());
  const bot = telegram.addBot({ token: TOKEN, username: BOT.username });
  const api = createTelegramApi({ token: TOKEN, apiRoot: telegram.apiRoot, ...options });
  return { bot, api, apiRoot: telegram.apiRoot };
}

/** Anna writes; the turn as the inlet would queue it. */
export function ask(
  bot: FakeBot,
  text: string,
  options: { chat?: number; thread?: number } = {},
): TurnRequest {
  const { chat = ANNA, thread } = options;
  bot.say(chat, text, { from: ANNA, ...(thread === undefined ? {} : { thread }) });
  const parsed = parseUpdate(bot.feed.pending.at(-1), BOT, ALLOW_ANNA, 1);
  if (parsed.kind !== 'turn') throw new Error(`Expected a turn, got ${JSON.stringify(parsed)}`);
  return parsed.request;
}

export function reasonOf(parsed: ParsedUpdate): string {
  return parsed.kind === 'ignore' ? parsed.reason : parsed.kind;
}

/** The ledger line of one turn: what a worker may still remember, and what any worker finds. */
export interface Ledger {
  anchor: Json | null;
  /** The context of one worker's attempt; `lose` makes its lease the older one. */
  attempt(): SendContext & { lose(): void };
}

export function ledger(request: TurnRequest): Ledger {
  const line: Ledger = {
    anchor: null,
    attempt() {
      let lost = false;
      return {
        request,
        tenant: 'acme' as Tenant,
        sessionId: 'f0e1d2c3-0000-4000-8000-000000000000' as SessionId,
        generation: 1,
        get anchor() {
          return line.anchor;
        },
        async remember(anchor) {
          if (lost) throw new Conflict('lease-lost', 'Another worker has the session.');
          line.anchor = structuredClone(anchor);
        },
        lose() {
          lost = true;
        },
      };
    },
  };
  return line;
}

/** Repeats a delivery as the core does (without its pauses), until it stands or `tries` are used up. */
export async function retryDelivery(deliver: () => Promise<void>, tries: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await deliver();
    } catch (error) {
      if (attempt >= tries) throw error;
      const waitMs = (error as { retryAfterMs?: number }).retryAfterMs ?? 0;
      await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, 4)));
    }
  }
}
