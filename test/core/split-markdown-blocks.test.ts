// What a cut falls into stays what it was: every word of a generated reply stands, in its part, in the same kind of
// block as in the whole text (table under the same header, code of the same language, list item of the same number and
// depth, quote), as an independent reader, `marked`, sees it.
import fc from 'fast-check';
import { lexer, type Token, type Tokens } from 'marked';
import { describe, expect, test } from 'vitest';
import { splitMarkdown } from '../../src/core/split-markdown.ts';

const LIMIT = 512;

type Block = { readonly lines: readonly string[] };

const words = (min: number, max: number) =>
  fc.integer({ min, max }).map((count) => Array(count).fill('w ').join('').trim());
const paragraph: fc.Arbitrary<Block> = words(1, 60).map((text) => ({ lines: [text] }));

const table: fc.Arbitrary<Block> = fc
  .record({
    columns: fc.integer({ min: 2, max: 4 }),
    rows: fc.integer({ min: 1, max: 40 }),
    pipes: fc.boolean(),
  })
  .map(({ columns, rows, pipes }) => {
    const row = (cell: string) => {
      const cells = Array(columns).fill(cell).join(' | ');
      return pipes ? `| ${cells} |` : cells;
    };
    return { lines: [row('w'), row(':---'), ...Array(rows).fill(row('w 漢 \\|'))] };
  });

const code: fc.Arbitrary<Block> = fc
  .record({
    marker: fc.constantFrom('```', '````', '~~~'),
    language: fc.constantFrom('', 'ts', 'python'),
    lines: fc.array(fc.constantFrom('w', '', '  w w', '# w', '- w', '| w | w |', '> w'), {
      minLength: 1,
      maxLength: 40,
    }),
  })
  .map(({ marker, language, lines }) => ({ lines: [`${marker}${language}`, ...lines, marker] }));

const indented = ({ lines }: Block, indent: string) =>
  lines.map((line) => (line === '' ? '' : `${indent}${line}`));

function list(inner: fc.Arbitrary<Block>): fc.Arbitrary<Block> {
  const item = fc.record({ text: words(1, 12), inside: fc.option(inner, { freq: 2 }) });
  return fc
    .record({
      ordered: fc.boolean(),
      start: fc.integer({ min: 1, max: 98 }),
      items: fc.array(item, { minLength: 1, maxLength: 12 }),
    })
    .map(({ ordered, start, items }) => ({
      lines: items.flatMap(({ text, inside }, index) => {
        const marker = ordered ? `${start + index}. ` : '- ';
        const around = ' '.repeat(marker.length);
        return [`${marker}${text}`, ...(inside ? ['', ...indented(inside, around), ''] : [])];
      }),
    }));
}

const leaf = fc.oneof(paragraph, table, code);
const nested = list(fc.oneof(leaf, list(fc.oneof(leaf, list(paragraph)))));
const quote = fc
  .oneof(leaf, list(paragraph))
  .map(({ lines }) => ({ lines: lines.map((line) => (line === '' ? '>' : `> ${line}`)) }));

/** Every `w` gets a number of its own. */
const reply = fc
  .array(fc.oneof(paragraph, table, code, nested, quote), { minLength: 1, maxLength: 6 })
  .map((blocks) => {
    let count = 0;
    // Two lists in a row are one to a reader: a sentence stands between the blocks.
    const text = blocks.map(({ lines }) => lines.join('\n')).join('\n\nw and on\n\n');
    return text.replaceAll(/\bw\b/g, () => `w${++count}x`);
  });

/** Where each numbered word stands, as a reader sees it. */
function placesOf(text: string): Map<string, string> {
  const places = new Map<string, string>();
  const note = (raw: string, place: string) => {
    for (const [word] of raw.matchAll(/\bw\d+x\b/g)) places.set(word, place);
  };
  const read = (tokens: readonly Token[], place: string) => {
    for (const token of tokens) {
      if (token.type === 'table') {
        const { header, rows } = token as Tokens.Table;
        const name = header.map((cell) => cell.text).join('|');
        for (const cell of rows.flat()) note(cell.text, `${place} table ${name}`);
        // The header is repeated; it stands in its own table wherever it stands.
        for (const cell of header) note(cell.text, `${place} header`);
      } else if (token.type === 'code') {
        const { lang = '', codeBlockStyle } = token as Tokens.Code;
        note(token.raw, `${place} code ${codeBlockStyle ?? 'fenced'} ${lang}`);
      } else if (token.type === 'list') {
        const { items, ordered, start } = token as Tokens.List;
        for (const [index, item] of items.entries()) {
          read(item.tokens, `${place} ${ordered ? `item ${Number(start) + index}` : 'bullet'}`);
        }
      } else if (token.type === 'blockquote') read((token as Tokens.Blockquote).tokens, `${place} quote`);
      else note(token.raw, `${place} text`);
    }
  };
  read(lexer(text), '');
  return places;
}

describe('splitMarkdown and blocks', () => {
  test('400 generated replies: every word stands in the same kind of block as before', () => {
    let cuts = 0;
    fc.assert(
      fc.property(reply, (text) => {
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
