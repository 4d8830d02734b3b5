// What a cut falls into stays what it was: every word of a generated reply stands, in its part, in the same kind of
// block as in the whole text (table under the same header, code of the same language, list item of the same number and
// depth, quote), as an independent reader, `marked`, sees it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitMarkdown } from '../../src/core/split-markdown.ts';
import { placesOf, replyOf } from './generated-replies.ts';

const LIMIT = 512;

describe('splitMarkdown and blocks', () => {
  test('400 generated replies: every word stands in the same kind of block as before', () => {
    let cuts = 0;
    fc.assert(
      fc.property(replyOf(6), (text) => {
        const parts = splitMarkdown(text, LIMIT);
        cuts += parts.length - 1;
        expect(parts.map((part) => part.body).join('')).toBe(text);
        const found = new Map<string, string>();
        for (const part of parts) {
          expect(part.text.length).toBeLessThanOrEqual(LIMIT);
          for (const [word, place] of placesOf(part.text)) found.set(word, place);
        }
        expect(Object.fromEntries(found)).toEqual(Object.fromEntries(placesOf(text)));
      }),
      { numRuns: 400, seed: 20_261_126 },
    );
    expect(cuts).toBeGreaterThan(800);
  });

  test('a table cut in many has its header in every part', () => {
    const rows = Array.from({ length: 260 }, (_, i) => `| row ${i} | value number ${i} 漢字 |`);
    const parts = splitMarkdown(`| name | value |\n|---|---|\n${rows.join('\n')}`, 4_096);
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) expect(part.text).toMatch(/^\| name \| value \|\n\|---\|---\|\n\| row \d+ \|/);
  });

  test('a nested item goes on under its number and depth', () => {
    const inner = Array.from({ length: 30 }, (_, i) => `      - point ${i} of the second step`).join('\n');
    const parts = splitMarkdown(`7. first\n8. second\n   - deep\n${inner}\n9. third`, LIMIT);
    expect(parts[1]?.text).toMatch(/^8\. …\n\n {3}- …\n\n {6}- point/);
    expect(parts.at(-1)?.text).toContain('\n9. third');
  });

  test('characters as people see them are not torn in one long line', () => {
    const text = '👩‍👩‍👧🇨🇭👍🏽e\u0301'.repeat(400);
    for (const part of splitMarkdown(text, LIMIT))
      expect(part.body).toMatch(/^(?:👩‍👩‍👧|🇨🇭|👍🏽|e\u0301)+$/u);
  });
});
