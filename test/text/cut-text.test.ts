// The cut over generated texts: never longer than asked, never through a character, and nowhere done by hand.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundaryBefore, cutText, cutTextStart, oneLine } from '../../src/text/cut-text.ts';

const CHARACTERS = ['a', ' ', 'ß', '漢', '😀', '👩‍👩‍👧', '🇨🇭', 'e\u0301', '👍🏽', 'क्षि', '\r\n', '1️⃣'];
const characters = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 60 });

const boundariesOf = (text: string) =>
  new Set([
    ...[...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)].map((s) => s.index),
    text.length,
  ]);

describe('cutText', () => {
  test('what is left is a beginning of whole characters, and no longer than asked', () => {
    fc.assert(
      fc.property(
        characters,
        fc.integer({ min: 12, max: 80 }),
        fc.constantFrom('', '…'),
        (made, max, mark) => {
          const text = made.join('');
          const cut = cutText(text, max, mark);
          expect(cut.length).toBeLessThanOrEqual(max);
          expect(cut.isWellFormed()).toBe(true);
          if (text.length <= max) {
            expect(cut).toBe(text);
            return;
          }
          const kept = cut.slice(0, cut.length - mark.length);
          expect(text.startsWith(kept)).toBe(true);
          expect(boundariesOf(text).has(kept.length)).toBe(true);
          expect(cut.endsWith(mark)).toBe(true);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('an end is cut the same way', () => {
    fc.assert(
      fc.property(characters, fc.integer({ min: 12, max: 80 }), (made, max) => {
        const text = made.join('');
        const cut = cutTextStart(text, max);
        expect(cut.length).toBeLessThanOrEqual(max);
        expect(text.endsWith(cut)).toBe(true);
        expect(boundariesOf(text).has(text.length - cut.length)).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  test('a character longer than the whole length is cut between code points', () => {
    const zalgo = `e${'\u0301'.repeat(500)}`;
    expect(cutText(zalgo, 100)).toHaveLength(100);
    expect(cutText('👩‍👩‍👧', 4)).toBe('👩‍');
    expect(cutText(`👩${'\u200d👩'.repeat(20)}`, 31).isWellFormed()).toBe(true);
    expect(cutTextStart(zalgo, 100).length).toBeLessThanOrEqual(100);
    expect(boundaryBefore(zalgo, 50)).toBe(0);
  });

  test('one line', () => {
    expect(oneLine('  a\n\n b\tc ', 10)).toBe('a b c');
    expect(oneLine('a😀😀😀', 5)).toBe('a😀…');
  });
});

test('no text of people or of the system is cut by hand', () => {
  const source = join(import.meta.dirname, '../../src');
  // `slice(0, <number or NAME>)` of a text; lists and ids are named here, with what they are.
  const known =
    /turnId\.slice|randomUUID\(\)\.slice|updated_at\.slice|dead_at\.slice|\.digest\('hex'\)\.slice|time\.slice|names\.slice|hex\.slice|digest\.slice|within\.slice|all\.slice|toISOString\(\)\.slice|sessionId\.slice|questions\.slice|options\.slice|files\.slice|notes\.slice/;
  const places = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter(
      (e) =>
        e.isFile() &&
        e.name.endsWith('.ts') &&
        /\/(channels|agent|core|api|cli|lambda)(\/|$)/.test(e.parentPath),
    )
    .flatMap((e) =>
      readFileSync(join(e.parentPath, e.name), 'utf8')
        .split('\n')
        .filter((line) =>
          /\.(?:slice\(0, (?:\d[\d_]*|[A-Z_]+|MAX\w*)(?: - 1)?\)|substring\(|substr\()/.test(line),
        )
        .filter((line) => !known.test(line))
        .map((line) => `${e.name}: ${line.trim()}`),
    );
  expect(
    places.filter(
      (place) =>
        !/refused\.slice\(0, 5\)|later\.slice\(0, MAX_PARTS\)|\.slice\(0, MAX_LINKS\)|\.slice\(0, MAX_ITEMS\)|^execution-root/.test(
          place,
        ),
    ),
  ).toEqual([]);
});
