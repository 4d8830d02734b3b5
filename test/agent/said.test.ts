// All that the agent said arrives: whatever the sequence of messages, the answer is the text after the last tool call,
// whole and in order. The first half feeds made-up messages of the SDK, the second one runs the real CLI.
import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ModelBlock, ModelReply } from '../../src/agent/model-reply.ts';
import { createSaid } from '../../src/agent/said.ts';
import { createFixture, say } from './turn-fixture.ts';

type Part = { readonly type: 'text' | 'tool_use' | 'thinking'; readonly text: string };
interface Message {
  readonly parts: readonly Part[];
  readonly cut: boolean;
  /** Asked for again after its stream broke in its first part. */
  readonly broken: boolean;
  readonly subagent: boolean;
}

const part: fc.Arbitrary<Part> = fc.record({
  type: fc.constantFrom('text', 'text', 'text', 'tool_use', 'thinking'),
  text: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).map((text) => text.replace(/\s/g, '·')),
});
const message: fc.Arbitrary<Message> = fc.record({
  parts: fc.array(part, { minLength: 1, maxLength: 4 }),
  cut: fc.boolean(),
  broken: fc.boolean(),
  subagent: fc.boolean(),
});

function* sdkMessages(turn: readonly Message[]): Generator<SDKMessage> {
  for (const [index, { parts, cut, broken, subagent }] of turn.entries()) {
    const parent = subagent ? 'toolu_parent' : null;
    const stream = (event: object) =>
      ({ type: 'stream_event', parent_tool_use_id: parent, event }) as unknown as SDKMessage;
    if (broken) {
      yield stream({ type: 'message_start', message: { id: `broken-${index}` } });
      yield stream({ type: 'content_block_start', content_block: { type: 'text' } });
      yield stream({ type: 'content_block_delta', delta: { type: 'text_delta', text: 'LOST' } });
    }
    yield stream({ type: 'message_start', message: { id: `m${index}` } });
    for (const { type, text } of parts) {
      yield stream({ type: 'content_block_start', content_block: { type } });
      if (type === 'text') yield stream({ type: 'content_block_delta', delta: { type: 'text_delta', text } });
      const content = [type === 'text' ? { type, text } : { type, id: 'x', name: 'Bash', input: {} }];
      yield {
        type: 'assistant',
        parent_tool_use_id: parent,
        message: { id: `m${index}`, model: 'some-model', content, stop_reason: null },
      } as unknown as SDKMessage;
    }
    yield stream({ type: 'message_delta', delta: { stop_reason: cut ? 'max_tokens' : 'end_turn' } });
  }
}

const textOf = (parts: readonly Part[]): string =>
  parts.flatMap(({ type, text }) => (type === 'text' ? [text] : [])).join('');
const bare = (text: string): string => text.replace(/\s/g, '');

describe('whatever the sequence', () => {
  test('the answer is all text after the last tool call, or before it where nothing came after', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 6 }), (turn) => {
        const said = createSaid();
        let shown = '';
        for (const one of sdkMessages(turn)) shown += said.see(one);
        const parts = turn.flatMap((one) => (one.subagent ? [] : one.parts));
        let from = parts.length;
        let expected = '';
        while (from > 0 && expected === '') {
          const tool = parts.slice(0, from).findLastIndex(({ type }) => type === 'tool_use');
          expected = textOf(parts.slice(tool + 1, from));
          from = tool;
        }
        expect(bare(said.answer())).toBe(bare(expected));
        expect(bare(said.all())).toBe(bare(textOf(parts)));
        expect(bare(shown).replaceAll('LOST', '')).toBe(bare(textOf(parts)));
      }),
    );
  });

  test('what the output limit cut is joined without a seam, other messages by a blank line', () => {
    const text = (content: string, cut: boolean): Message => ({
      parts: [{ type: 'text', text: content }],
      cut,
      broken: false,
      subagent: false,
    });
    const said = createSaid();
    for (const one of sdkMessages([text('un', true), text('finished', false), text('next', false)]))
      said.see(one);
    expect(said.answer()).toBe('unfinished\n\nnext');
  });
});

describe('through the real CLI', () => {
  const text = (content: string): ModelBlock => ({ type: 'text', text: content });
  const tool: ModelBlock = {
    type: 'tool_use',
    name: 'Bash',
    input: { command: 'echo hi', description: 'x' },
  };
  const cut = (content: string): ModelReply => ({ blocks: [text(content)], stopReason: 'max_tokens' });
  const cases: readonly [string, readonly ModelReply[], string | RegExp][] = [
    ['an answer in three parts', [cut('One, '), cut('two, '), say('three.')], 'One, two, three.'],
    ['cut after a tool', [{ blocks: [text('Look.'), tool] }, cut('Be'), say('hold')], 'Behold'],
    ['two blocks in one message', [{ blocks: [text('The sky'), text(' is blue.')] }], 'The sky is blue.'],
    ['text behind a tool call', [{ blocks: [text('A'), tool, text('B')] }, say('C')], 'B\n\nC'],
    ['nothing after the tool', [{ blocks: [text('The answer.'), tool] }, { blocks: [] }], 'The answer.'],
    ['cut for good', [cut('1'), cut('2'), cut('3'), cut('4')], /^1234\n\n_\(This answer is longer/],
  ];
  test.each(cases)('%s', async (_name, replies, expected) => {
    const fixture = await createFixture();
    try {
      let count = 0;
      fixture.model.respondWith(() => replies[count++] ?? replies.at(-1) ?? say(''));
      const outcome = await fixture.turn('write it');
      expect(outcome.status).toBe('ok');
      if (typeof expected === 'string') expect(outcome.text).toBe(expected);
      else expect(outcome.text).toMatch(expected);
    } finally {
      await fixture.close();
    }
  });
});
