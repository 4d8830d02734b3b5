// One message for each message, within the hour, once; what does not fit comes with the next one.
import { describe, expect, onTestFinished, test } from 'vitest';
import { createWecomChannel } from '../../src/channels/wecom/channel.ts';
import { MORE_FOLLOWS, messagesOf, textOf } from '../../src/channels/wecom/message-text.ts';
import { deliverReply } from '../../src/core/delivery.ts';
import { silentLog } from '../../src/core/log.ts';
import { type TurnRequest, turnRequest } from '../../src/core/messages.ts';
import type { Reply } from '../../src/core/records.ts';
import { createMemorySessionStore } from '../../src/stores/memory/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { begin, commitOf } from '../../testing/contracts/session-store-steps.ts';
import { startFakeWecom } from '../../testing/wecom/fake-wecom.ts';

const ANNA = 'anna.li';
const HOUR_MS = 3_600_000;

async function startConversation() {
  const clock = createManualClock();
  const wecom = await startFakeWecom({ clock });
  onTestFinished(() => wecom.close());
  const store = createMemorySessionStore({ clock });
  const channel = createWecomChannel({ clock, timeoutMs: 2_000, aesKey: wecom.bot.aesKey });
  let messages = 0;
  return {
    clock,
    wecom,
    async write(text: string): Promise<TurnRequest> {
      await clock.advance(1_000);
      messages += 1;
      const { response_url: responseUrl } = JSON.parse(wecom.payload(ANNA, {}));
      const request = turnRequest({
        conversation: { tenant: 'acme', channel: 'wecom', bot: wecom.bot.botId, chat: ANNA, thread: null },
        dedupeId: `${wecom.bot.botId}:${messages}`,
        text,
        sender: { id: ANNA, name: null },
        replyTarget: { responseUrl, untilMs: clock.now() + HOUR_MS },
        receivedAtMs: clock.now(),
      });
      await store.accept(request, 10_000);
      return request;
    },
    /** Commits, delivers as the worker does while the clock goes on, and closes the turn. */
    async answer(request: TurnRequest, text: string, over: Partial<Reply> = {}) {
      const begun = await begin(store, request, { leaseMs: 24 * HOUR_MS });
      const reply: Reply = { text, outcome: 'ok', fixedAtMs: clock.now(), ...over };
      const turn = await store.commit(commitOf(begun, { reply }));
      let isDone = false;
      const running = deliverReply({ store, clock, log: silentLog }, channel, begun.lease, request, turn);
      const done = running.finally(() => {
        isDone = true;
      });
      done.catch(() => {});
      while (!isDone) {
        await new Promise((resolve) => setImmediate(resolve));
        if (clock.sleepers > 0) await clock.advance(1_000);
      }
      const outcome = await done;
      if (typeof outcome === 'object') return outcome;
      await store.settle(
        begun.lease,
        request.turnId,
        outcome === 'delivered' ? 'delivered' : 'undeliverable',
      );
      await store.release(begun.lease);
      return outcome;
    },
    async statusOf({ turnId }: TurnRequest) {
      return (await store.getTurn('acme' as never, turnId))?.status;
    },
    seen: () => wecom.chat(ANNA),
  };
}

test('one reply, as Markdown, without pictures that an app would fetch', async () => {
  const anna = await startConversation();
  await anna.answer(await anna.write('hello'), 'The **answer**: ![x](http://x/1.png)');
  expect(anna.seen()).toEqual(['The **answer**: [x](http://x/1.png)']);
});

test('a reply that is too long says so, and the next message brings the rest before its answer', async () => {
  const anna = await startConversation();
  const lines = Array.from({ length: 3_000 }, (_, at) => `line ${at} 好`);
  const first = await anna.write('tell');
  expect(await anna.answer(first, lines.join('\n'))).toBe('owed');
  expect(anna.seen()).toHaveLength(1);
  expect(anna.seen()[0]).toContain(MORE_FOLLOWS);
  for (let more = 0; more < 3; more++) await anna.answer(await anna.write('more'), `answer ${more}`);
  const told = anna
    .seen()
    .map((text) => text.replace(MORE_FOLLOWS, ''))
    .join('\n');
  for (const line of lines) expect(told).toContain(line);
  expect(told).toMatch(/answer 2$/);
  expect(await anna.statusOf(first)).toBe('delivered');
});

test('an hour is over: nothing is said, nothing is lost, the next message brings it', async () => {
  const anna = await startConversation();
  const late = await anna.write('run this for long');
  await anna.clock.advance(2 * HOUR_MS);
  expect(await anna.answer(late, 'It is done.')).toBe('owed');
  expect(anna.seen()).toEqual([]);
  await anna.answer(await anna.write('and?'), 'Yes.');
  expect(anna.seen()).toEqual([expect.stringMatching(/^「run this for long」\nIt is done\.[\s\S]*Yes\.$/)]);
  await anna.answer(await anna.write('thanks'), 'Welcome.');
  expect(anna.seen()[1]).toBe('Welcome.');
});

describe('whatever happens to the one call, the reply stands once', () => {
  test.each(['cut-before', 'cut-after', 'busy', 'too-fast'] as const)('%s', async (fault) => {
    for (const times of [1, 2]) {
      const anna = await startConversation();
      const asked = await anna.write('hello');
      anna.wecom.fail(fault, { times });
      expect(await anna.answer(asked, 'Good morning.')).toBe('delivered');
      expect(anna.seen()).toEqual(['Good morning.']);
    }
  });

  test('a refusal before an address ends is not taken for an arrival', async () => {
    const anna = await startConversation();
    const asked = await anna.write('hello');
    anna.wecom.fail('busy');
    anna.wecom.endAddresses();
    expect(await anna.answer(asked, 'Good morning.')).toBe('owed');
    await anna.answer(await anna.write('?'), 'Here.');
    expect(anna.seen()).toEqual([expect.stringMatching(/Good morning\.[\s\S]*Here\.$/)]);
  });
});

test('messages: none too long, all of the text', () => {
  for (const text of ['a'.repeat(60_000), '好'.repeat(20_000), '\u{1f600}'.repeat(12_000)]) {
    const parts = messagesOf(textOf({ text, outcome: 'ok' }));
    expect(parts.map(({ body }) => body).join('')).toBe(text);
    for (const part of parts) expect(Buffer.byteLength(part.text)).toBeLessThan(20_480);
  }
});
