// What a person reads, message by message: within what WeChat allows, nothing lost, and the answer last.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  MAX_MESSAGE_BYTES,
  MORE_FOLLOWS,
  messagesOf,
  textOf,
} from '../../src/channels/wechat/message-text.ts';
import type { Reply } from '../../src/core/records.ts';
import { startConversation } from './conversation.ts';

const HOUR_MS = 3_600_000;
/** So many messages of a long reply. */
const long = (parts: number, word = '好') =>
  Array.from({ length: parts }, (_, at) => `${at}${word.repeat(580)}`).join('\n\n');

describe('one reply', () => {
  test('is one message, and the turn is delivered', async () => {
    const anna = await startConversation();
    const asked = await anna.write('hello');
    expect(await anna.answer(asked, 'Good morning.')).toBe('delivered');
    expect(anna.seen()).toEqual(['Good morning.']);
  });

  test('that is long is cut, in order, and nothing is lost', async () => {
    const anna = await startConversation();
    const text = long(4);
    expect(await anna.answer(await anna.write('tell'), text)).toBe('delivered');
    expect(anna.seen().join('').replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
    expect(anna.seen().length).toBeLessThanOrEqual(5);
  });

  test('of the demo model says so; a quiet one says nothing', async () => {
    const anna = await startConversation();
    await anna.answer(await anna.write('a'), { text: 'x', outcome: 'ok', demo: true });
    await anna.answer(await anna.write('b'), { text: '', outcome: 'ok', quiet: true });
    await anna.answer(await anna.write('c'), { text: ' ', outcome: 'ok' });
    expect(anna.seen()).toEqual(['x\n\n(Written by the demo model.)', '(no text)']);
  });

  test('links that would write in the person’s name are inert', async () => {
    const anna = await startConversation();
    const link =
      '<a href="weixin://bizmsgmenu?msgmenucontent=1&msgmenuid=1">ok</a> < A href=x> </ a> <abc> a < b';
    await anna.answer(await anna.write('a'), link);
    expect(anna.seen()[0]).not.toMatch(/<\s*\/?\s*a\b/i);
    expect(anna.seen()[0]?.replaceAll('\u200b', '')).toBe(link);
  });
});

describe('what WeChat does not allow any more', () => {
  test('more than five messages: the fifth says so, and the next message brings the rest before its answer', async () => {
    const anna = await startConversation();
    const text = long(8);
    const first = await anna.write('tell');
    expect(await anna.answer(first, text)).toBe('owed');
    expect(anna.seen()).toHaveLength(5);
    expect(anna.seen()[4]).toContain(MORE_FOLLOWS);
    const second = await anna.write('go on');
    expect(await anna.answer(second, 'That was all.')).toBe('delivered');
    expect(anna.seen().at(-1)).toMatch(/That was all\.$/);
    const told = anna
      .seen()
      .map((message) => message.replace(MORE_FOLLOWS, '').replace(/^… /, ''))
      .join('');
    for (let part = 0; part < 8; part++) expect(told).toContain(`${part}好`);
    expect([...told].filter((char) => char === '好')).toHaveLength(8 * 580);
    // The record of the first says that it has come.
    expect(await anna.statusOf(first)).toBe('delivered');
  });

  test('a very long one comes over as many messages as it takes', async () => {
    const anna = await startConversation();
    await anna.answer(await anna.write('tell'), long(18));
    for (let more = 0; more < 3; more++) await anna.answer(await anna.write('more'), `answer ${more}`);
    const told = anna.seen().join('');
    expect([...told].filter((char) => char === '好')).toHaveLength(18 * 580);
    expect(told.indexOf('answer 0')).toBeGreaterThan(told.lastIndexOf('17好'));
    expect(told).toMatch(/answer 2$/);
  });

  test('48 hours are over: nothing is said, nothing is lost, the next message brings it', async () => {
    const anna = await startConversation();
    const late = await anna.write('run this for three days');
    await anna.clock.advance(49 * HOUR_MS);
    expect(await anna.answer(late, 'It is done.')).toBe('owed');
    expect(anna.seen()).toEqual([]);
    expect(await anna.answer(await anna.write('and?'), 'Yes.')).toBe('delivered');
    expect(anna.seen()).toEqual([
      expect.stringMatching(/^「run this for three days」\nIt is done\.[\s\S]*\nYes\.$/),
    ]);
    await anna.answer(await anna.write('thanks'), 'You are welcome.');
    expect(anna.seen()[1]).toBe('You are welcome.');
  });

  test('a press in the menu allows three within a minute', async () => {
    const anna = await startConversation();
    const press = await anna.write('/status', { press: true });
    await anna.clock.advance(61_000);
    expect(await anna.answer(press, 'All is well.')).toBe('owed');
    await anna.answer(await anna.write('?'), 'Here.');
    expect(anna.seen()).toEqual([expect.stringMatching(/All is well\.[\s\S]*Here\.$/)]);
    expect(await anna.answer(await anna.write('tell', { press: true }), long(4))).toBe('owed');
    expect(anna.seen()).toHaveLength(4);
    expect(anna.seen()[3]).toContain(MORE_FOLLOWS);
  });

  test('who stopped following gets what is owed when they write again', async () => {
    const anna = await startConversation();
    const asked = await anna.write('a');
    anna.wechat.unfollow('oAnna-6_follower');
    expect(await anna.answer(asked, 'one')).toBe('owed');
    await anna.answer(await anna.write('b'), 'two');
    expect(anna.seen()).toEqual([expect.stringMatching(/one[\s\S]*two$/)]);
  });
});

describe('several messages at once', () => {
  test('seven of them: at most five answers, the last one whole and last, none lost', async () => {
    const anna = await startConversation();
    const asked = [];
    for (let at = 0; at < 7; at++) asked.push(await anna.write(`question ${at}`));
    for (const [at, request] of asked.entries()) await anna.answer(request, `answer ${at}.`);
    expect(anna.seen()).toHaveLength(5);
    const told = anna.seen().join('\n');
    const places = asked.map((_, at) => told.indexOf(`answer ${at}.`));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBe(0);
    expect(told).toMatch(/answer 6\.$/);
    // What was merged says what it answers.
    expect(anna.seen()[4]).toContain('「question 4」');
    for (const request of asked) expect(await anna.statusOf(request)).toBe('delivered');
  });

  test('a quiet last one still brings what was kept for it', async () => {
    const anna = await startConversation();
    const asked = [];
    for (let at = 0; at < 6; at++) asked.push(await anna.write(`question ${at}`));
    for (const [at, request] of asked.entries()) {
      const reply: Reply =
        at === 5 ? { text: '', outcome: 'ok', quiet: true } : { text: `answer ${at}.`, outcome: 'ok' };
      await anna.answer(request, reply);
    }
    expect(anna.seen().join('\n')).toMatch(/answer 4\.$/);
  });
});

describe('answers of WeChat that are lost', () => {
  test('one that arrived is sent once more, and says so', async () => {
    const anna = await startConversation();
    const asked = await anna.write('hello');
    anna.wechat.faults.push('cut-after');
    expect(await anna.answer(asked, 'Good morning.')).toBe('delivered');
    expect(anna.seen()).toEqual([
      'Good morning.',
      expect.stringMatching(/^\(Sent again[^\n]*\nGood morning\.$/),
    ]);
  });

  test('also by another worker, and never a third time', async () => {
    const anna = await startConversation();
    const asked = await anna.write('hello');
    anna.wechat.faults.push('cut-after', 'cut-after');
    anna.restart();
    expect(await anna.answer(asked, 'Good morning.')).toBe('delivered');
    expect(anna.seen()).toHaveLength(2);
  });

  test('one that did not arrive comes', async () => {
    const anna = await startConversation();
    const asked = await anna.write('hello');
    anna.wechat.faults.push('cut-before');
    await anna.answer(asked, 'Good morning.');
    expect(anna.seen()).toEqual([expect.stringContaining('Good morning.')]);
  });

  test('a refusal is no lost answer: the same message comes once, unmarked', async () => {
    const anna = await startConversation();
    const asked = await anna.write('hello');
    anna.wechat.faults.push('busy', 'busy');
    expect(await anna.answer(asked, 'Good morning.')).toBe('delivered');
    expect(anna.seen()).toEqual(['Good morning.']);
  });

  test('a worker that died between two parts: the next one goes on there', async () => {
    const anna = await startConversation();
    const asked = await anna.write('tell');
    const begun = await anna.commit(asked, long(3));
    anna.wechat.faults.push(...(['busy', 'busy', 'busy', 'busy'] as const));
    expect(await anna.deliver(begun, asked)).toMatchObject({ retryAfterMs: 2_000 });
    anna.restart();
    expect(await anna.deliver(begun, asked)).toBe('delivered');
    expect(anna.seen().map((text) => [...text][0])).toEqual(['0', '1', '2']);
  });
});

test('whatever happens, a repeated delivery of a delivered text sends nothing', async () => {
  const anna = await startConversation();
  const asked = await anna.write('tell');
  const begun = await anna.commit(asked, long(2));
  await anna.deliver(begun, asked);
  const before = anna.seen().length;
  await anna.store.reopen('acme' as never, asked.turnId);
  const again = await anna.write('x');
  await anna.answer(again, 'y');
  expect(anna.seen()).toHaveLength(before + 1);
});

test('messages: all of every text, none too long, none blank', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 400 }),
    fc.constantFrom(
      '好'.repeat(700),
      '```js\nlet a = 1;\n```\n',
      '\n\n',
      '<a href="x">',
      '- one\n- two\n',
      '\u{1f469}\u200d\u{1f467}',
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = textOf({ text: pieces.join(''), outcome: 'ok' });
      const parts = messagesOf(text);
      expect(
        parts
          .map(({ body }) => body)
          .join('')
          .trim(),
      ).toBe(text.trim());
      for (const part of parts) {
        expect(part.text.trim()).not.toBe('');
        expect(Buffer.byteLength(part.text)).toBeLessThan(MAX_MESSAGE_BYTES);
      }
    }),
    { numRuns: 300 },
  );
});
