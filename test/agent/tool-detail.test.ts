// What is shown of a tool's input and result is bounded and whole, whatever the tool was given.
import { describe, expect, test } from 'vitest';
import { MAX_CHARS, toolDiff, toolInput, toolResult } from '../../src/agent/tool-detail.ts';

const deep = (levels: number): unknown => (levels === 0 ? 'bottom' : { in: deep(levels - 1) });
const INPUTS: [string, unknown][] = [
  ['nothing', undefined],
  ['null', null],
  ['a command', { command: 'ls -la' }],
  ['a long string', { content: 'x'.repeat(1_000_000) }],
  [
    'many long strings',
    Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`k${i}`, 'y'.repeat(900)])),
  ],
  [
    'a long list',
    { todos: Array.from({ length: 5_000 }, (_, i) => ({ content: `todo ${i}`, status: 'pending' })) },
  ],
  ['lists in lists', Array.from({ length: 80 }, () => Array.from({ length: 80 }, () => Array(80).fill('z')))],
  ['a deep object', deep(5_000)],
  ['emoji all over', { text: '👩🏽‍🚀'.repeat(50_000) }],
  ['long names', Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${i}${'n'.repeat(5_000)}`, i]))],
];

describe('what is shown of a tool call', () => {
  test.each(INPUTS)('input: %s', (_, input) => {
    const json = toolInput(input);
    expect(json.length).toBeLessThanOrEqual(MAX_CHARS);
    expect(() => JSON.parse(json)).not.toThrow();
    expect(JSON.stringify(JSON.parse(json)).isWellFormed()).toBe(true);
  });

  test('a small input is there in full', () => {
    const input = { file_path: 'a.txt', old_string: 'one\ntwo', new_string: 'three', replace_all: true };
    expect(JSON.parse(toolInput(input))).toEqual(input);
  });

  test.each([
    ['text', 'done', 'done'],
    [
      'blocks',
      [
        { type: 'text', text: 'a' },
        { type: 'image', source: {} },
      ],
      'a\n[image]',
    ],
    ['nothing', undefined, ''],
  ])('result: %s', (_, content, shown) => expect(toolResult(content)).toBe(shown));

  test('a long result is cut between characters and says how much is missing', () => {
    const shown = toolResult('😀'.repeat(100_000));
    expect(shown.length).toBeLessThanOrEqual(MAX_CHARS);
    expect(shown.isWellFormed()).toBe(true);
    expect(shown).toMatch(/^(?:😀)+… \(\d+,\d{3} more characters\)$/u);
  });

  test('a change of a file is a unified diff', () => {
    const lines = [' same', '-old', '+new'];
    const structuredPatch = [{ oldStart: 3, oldLines: 2, newStart: 3, newLines: 2, lines }];
    expect(toolDiff({ structuredPatch })).toBe('@@ -3,2 +3,2 @@\n same\n-old\n+new');
    for (const none of [undefined, null, 'text', {}, { structuredPatch: [] }])
      expect(toolDiff(none)).toBeUndefined();
  });
});
