// Generated replies through the whole way out: split, shown with markup or without, against what Telegram accepts as a
// text. No final message is refused, nothing is lost, every word stands in the kind of block it had, links are whole.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TelegramApi } from '../../src/channels/telegram/api.ts';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import { Invalid } from '../../src/core/errors.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { BotApiError } from '../../testing/telegram/bot-api-error.ts';
import { acceptPlain, acceptRich } from '../../testing/telegram/text-rules.ts';
import { placesOf, replyOf } from '../core/generated-replies.ts';
import { THOROUGH } from '../thorough.ts';
import { BOT, ledger } from './fixture.ts';

/** `npm run test:all` has 10,000 replies. Each portion is a test of its own, so that none takes long. */
const PORTIONS = THOROUGH ? 40 : 1;
const REPLIES = THOROUGH ? 250 : 80;

/** A chat without a network: the fake's own rules for texts, and the messages in order. */
function chatApi() {
  const messages: { text: string; kind: 'rich' | 'plain' }[] = [];
  const accepted = (accept: () => string): string => {
    try {
      return accept();
    } catch (error) {
      if (!(error instanceof BotApiError)) throw error;
      throw new Invalid('refused-content', error.message);
    }
  };
  const api: Pick<TelegramApi, 'sendText' | 'edit' | 'deleteMessage'> = {
    async sendText(_, text) {
      return messages.push({ text: accepted(() => acceptPlain(text)), kind: 'plain' }) - 1;
    },
    async edit(_, id, content) {
      messages[id] =
        'plain' in content
          ? { text: accepted(() => acceptPlain(content.plain)), kind: 'plain' }
          : { text: accepted(() => acceptRich({ markdown: content.markdown })), kind: 'rich' };
    },
    async deleteMessage() {},
  };
  return { api: api as TelegramApi, messages };
}

const request = turnRequest({
  conversation: { tenant: 'default', channel: 'telegram', bot: BOT.id, chat: '1001', thread: null },
  dedupeId: `${BOT.id}:1`,
  text: 'question',
  replyTarget: { chatId: 1_001, threadId: null, messageId: 1, private: true },
  receivedAtMs: 0,
});

test.each(Array.from({ length: PORTIONS }, (_, portion) => portion + 1))(
  `portion %i of ${REPLIES} generated replies: none refused, no word lost, blocks and links whole`,
  async (portion) => {
    let parts = 0;
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(replyOf(5), async (text) => {
        const { api, messages } = chatApi();
        await createTelegramChannel({ api }).deliver(ledger(request).attempt(), { outcome: 'ok', text });
        parts += messages.length;
        plain += messages.filter(({ kind }) => kind === 'plain').length;
        const found = new Map(messages.flatMap((message) => [...placesOf(message.text)]));
        expect(Object.fromEntries(found)).toEqual(Object.fromEntries(placesOf(text)));
      }),
      { numRuns: REPLIES, seed: 20_261_127 + portion },
    );
    expect(parts).toBeGreaterThan(REPLIES * 1.2);
    expect(plain).toBeLessThan(parts / 2);
  },
);
