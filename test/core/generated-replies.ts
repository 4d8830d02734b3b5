// Generated replies with every kind of block, and how an independent reader (`marked`) sees them: each word is numbered, so
// that it can be found again, and has a place (in a table under its header, code of a language, a list item of a number
// and depth, a quote, a link with its address).
import fc from 'fast-check';
import { lexer, type Token, type Tokens } from 'marked';

type Block = { readonly lines: readonly string[] };

const words = (min: number, max: number) =>
  fc.integer({ min, max }).map((count) => Array(count).fill('w ').join('').trim());
const link = fc.constantFrom(
  '[w w w](https://x.test/w)',
  '[w](https://x.test/?a=w&b=w "w w")',
  '`w w`',
  '**w w**',
);
const sentence = fc.oneof({ weight: 4, arbitrary: words(1, 60) }, { weight: 1, arbitrary: link });
const paragraph: fc.Arbitrary<Block> = fc
  .array(sentence, { minLength: 1, maxLength: 8 })
  .map((pieces) => ({ lines: [pieces.join(' ')] }));

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
export const replyOf = (maxBlocks: number): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(paragraph, table, code, nested, quote), { minLength: 1, maxLength: maxBlocks })
    .map((blocks) => {
      let count = 0;
      // Two lists in a row are one to a reader: a sentence stands between the blocks.
      const text = blocks.map(({ lines }) => lines.join('\n')).join('\n\nw and on\n\n');
      return text.replaceAll(/\bw\b/g, () => `w${++count}x`);
    });

/** Where each numbered word stands, as a reader sees it. */
export function placesOf(text: string): Map<string, string> {
  const places = new Map<string, string>();
  const note = (raw: string, place: string) => {
    for (const [word] of raw.matchAll(/\bw\d+x\b/g)) places.set(word, place);
  };
  const readInline = (tokens: readonly Token[], place: string) => {
    for (const token of tokens) {
      if (token.type === 'link') note(token.raw, `${place} link to ${(token as Tokens.Link).href}`);
      else readInline('tokens' in token ? (token.tokens ?? []) : [], place);
    }
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
      else {
        note(token.raw, `${place} text`);
        readInline('tokens' in token ? (token.tokens ?? []) : [], place);
      }
    }
  };
  read(lexer(text), '');
  return places;
}
