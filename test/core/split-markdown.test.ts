// The splitter over thousands of seeded texts: nothing lost, nothing over the limit, every part's code closed.
import { lexer } from 'marked';
import { describe, expect, test } from 'vitest';
import { balanced } from '../../src/core/markdown-blocks.ts';
import { splitMarkdown } from '../../src/core/split-markdown.ts';
import { garbage, markdown, seeded } from '../telegram/texts.ts';

const LIMIT = 512;

/** An independent reader's view: does any code block run off the end of the text? */
function endsInsideCode(text: string): boolean {
  const last = lexer(text)
    .filter((token) => token.type !== 'space')
    .at(-1);
  if (last?.type !== 'code' || last.codeBlockStyle === 'indented') return false;
  const lines = last.raw.trimEnd().split('\n');
  const marker = /^ *(`{3,}|~{3,})/.exec(lines[0] ?? '')?.[1] ?? '';
  return lines.length < 2 || !(lines.at(-1) ?? '').trim().startsWith(marker);
}

describe('splitMarkdown', () => {
  test('4,000 generated replies lose no character and keep every code block closed', () => {
    const random = seeded(20261122);
    let cuts = 0;
    for (let i = 0; i < 4_000; i++) {
      const text = markdown(random, 8);
      const parts = splitMarkdown(text, LIMIT);
      cuts += parts.length - 1;
      const where = `text ${i}`;
      expect(parts.map((part) => part.body).join(''), where).toBe(text);
      for (const part of parts) {
        expect(part.text.length, where).toBeLessThanOrEqual(LIMIT);
        expect(part.text.isWellFormed(), where).toBe(true);
        expect(part.text.includes(part.body), where).toBe(true);
        expect(endsInsideCode(part.text), `${where}: ${part.text}`).toBe(false);
      }
    }
    expect(cuts).toBeGreaterThan(4_000);
  });

  test('4,000 texts of torn fences and half characters lose no character either', () => {
    const random = seeded(7);
    for (let i = 0; i < 4_000; i++) {
      const text = garbage(random, 40 + Math.floor(random() * 3_000));
      const parts = splitMarkdown(text, LIMIT);
      expect(parts.map((part) => part.body).join(''), `text ${i}`).toBe(text);
      for (const part of parts) {
        expect(part.text.length, `text ${i}`).toBeLessThanOrEqual(LIMIT);
        expect(balanced(part.text), `text ${i}`).toBe(part.text);
      }
    }
  });

  test('the same text always gives the same parts', () => {
    const text = markdown(seeded(3), 40);
    expect(splitMarkdown(text, LIMIT)).toEqual(splitMarkdown(text, LIMIT));
  });

  test('code cut in two is reopened with its language', () => {
    const code = Array.from({ length: 60 }, (_, i) => `const value${i} = ${i};`).join('\n');
    const parts = splitMarkdown(`Look:\n\n\`\`\`ts\n${code}\n\`\`\`\nDone.`, LIMIT);
    expect(parts.length).toBeGreaterThan(2);
    expect(parts[1]?.text.startsWith('```ts\nconst value')).toBe(true);
    expect(parts[0]?.text.endsWith('\n```')).toBe(true);
    expect(parts.at(-1)?.text.endsWith('```\nDone.')).toBe(true);
  });

  test('paragraphs stay whole where they can', () => {
    const paragraph = 'word '.repeat(30).trim();
    const parts = splitMarkdown(Array.from({ length: 9 }, () => paragraph).join('\n\n'), LIMIT);
    for (const part of parts)
      expect(
        part.body
          .trim()
          .split('\n\n')
          .every((p) => p === paragraph),
      ).toBe(true);
  });

  test('a text of 100,000 characters without a single space is cut between characters', () => {
    const text = '😀'.repeat(50_000);
    const parts = splitMarkdown(text, 4_096);
    expect(parts.map((part) => part.body).join('')).toBe(text);
    for (const part of parts) expect(part.text.isWellFormed()).toBe(true);
  });

  test('an empty text is one empty part, a limit too small is refused', () => {
    expect(splitMarkdown('', LIMIT)).toEqual([{ text: '', body: '' }]);
    expect(() => splitMarkdown('x', 10)).toThrow(/too small/);
  });
});
