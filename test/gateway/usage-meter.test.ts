// Counting from answers, however the network cuts them.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createUsageMeter } from '../../src/gateway/usage-meter.ts';
import { eventFrame } from '../../testing/model/bedrock-server.ts';

const start = {
  type: 'message_start',
  message: {
    model: 'claude-haiku-4-5',
    usage: {
      input_tokens: 20,
      output_tokens: 1,
      cache_read_input_tokens: 300,
      cache_creation_input_tokens: 50,
      cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 10 },
    },
  },
};
const said = (text: string) => ({ type: 'content_block_delta', delta: { type: 'text_delta', text } });
const end = (usage: object) => ({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage });
const events = [
  start,
  { type: 'ping' },
  said('Grüße 🌍 "usage"'),
  end({ output_tokens: 42 }),
  { type: 'message_stop' },
];

const asSse = (list: readonly object[]): Buffer =>
  Buffer.from(list.map((event) => `event: x\ndata: ${JSON.stringify(event)}\n\n`).join(''));
const asFrames = (list: readonly object[]): Buffer =>
  Buffer.concat(list.map((event) => eventFrame(JSON.stringify(event))));

const FORMS = [
  ['server-sent events', 'text/event-stream; charset=utf-8', asSse],
  ['frames of Amazon’s event stream', 'application/vnd.amazon.eventstream', asFrames],
] as const;

function metered(type: string, pieces: readonly Buffer[]) {
  const meter = createUsageMeter(type);
  for (const piece of pieces) meter.push(piece);
  return meter.end();
}

const counted = {
  model: 'claude-haiku-4-5',
  inputTokens: 20,
  outputTokens: 42,
  cacheReadTokens: 300,
  cacheWriteTokens: 40,
  cacheWriteHourTokens: 10,
};

describe.each(FORMS)('%s', (_name, type, encode) => {
  test('cut anywhere, the count is the same', () => {
    const bytes = encode(events);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (sizes) => {
        const pieces: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length]!;
          pieces.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(metered(type, pieces)).toMatchObject(counted);
      }),
    );
  });

  test('cut short, it counts what came, and never less than the text that passed', () => {
    const bytes = encode([start, said('x'.repeat(900))]);
    expect(metered(type, [bytes])).toMatchObject({ inputTokens: 20, outputTokens: 300 });
    expect(metered(type, [encode([start])])).toMatchObject({ inputTokens: 20, outputTokens: 1 });
  });

  test('the last figures hold; null among them says nothing', () => {
    const later = end({ output_tokens: 7, input_tokens: 25, cache_read_input_tokens: null });
    expect(metered(type, [encode([start, later])])).toMatchObject({
      inputTokens: 25,
      outputTokens: 7,
      cacheReadTokens: 300,
    });
  });

  test('what is no message costs nothing, and nonsense breaks nothing', () => {
    expect(metered(type, [])).toBeNull();
    expect(metered(type, [encode([{ type: 'error', error: {} }])])).toBeNull();
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (pieces) => {
        metered(
          type,
          pieces.map((piece) => Buffer.from(piece)),
        );
      }),
    );
  });
});

test('a whole answer is counted at its end; other JSON is none', () => {
  const message = {
    type: 'message',
    model: 'm',
    usage: { input_tokens: 1, output_tokens: 2, speed: 'fast' },
  };
  const bytes = Buffer.from(JSON.stringify(message));
  const pieces = [bytes.subarray(0, 9), bytes.subarray(9)];
  expect(metered('application/json', pieces)).toMatchObject({
    inputTokens: 1,
    outputTokens: 2,
    isFast: true,
  });
  expect(metered('application/json', [Buffer.from('{"input_tokens":4}')])).toBeNull();
  expect(metered('text/html', [Buffer.from('<p>')])).toBeNull();
});

test('figures that are none are nothing', () => {
  const usage = { input_tokens: -5, output_tokens: 'many', cache_read_input_tokens: Number.NaN };
  const message = Buffer.from(JSON.stringify({ type: 'message', usage }));
  expect(metered('application/json', [message])).toMatchObject({
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 0,
  });
});
