// One way to space tries: the formula, and that design/retries.md lists everyone who uses it.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { backoffAfterMs, backoffMs } from '../../src/core/backoff.ts';
import { Refused } from '../../src/core/errors.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const sources = globSync('src/**/*.ts', { cwd: ROOT }).map((file) => ({
  file: file.replaceAll('\\', '/'),
  text: readFileSync(join(ROOT, file), 'utf8').replace(/^\s*\/\/.*$/gm, ''),
}));

describe('backoff', () => {
  test('doubles up to its limit, however long it goes on', () => {
    const waits = [1, 2, 3, 4, 5, 1_000_000].map((n) => backoffMs({ firstMs: 15, maxMs: 100 }, n));
    expect(waits).toEqual([15, 30, 60, 100, 100, 100]);
  });

  test('leaves no more to chance than was said', () => {
    const waits = Array.from({ length: 500 }, () => backoffMs({ firstMs: 100, maxMs: 100, jitter: 0.25 }, 1));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(75);
    expect(Math.max(...waits)).toBeLessThanOrEqual(100);
    expect(new Set(waits).size).toBeGreaterThan(100);
  });

  test('is never earlier than the time that the other side named', () => {
    const backoff = { firstMs: 1_000, maxMs: 4_000 };
    const named = new Refused('busy', 'later', { retryAfterMs: 900_000 });
    expect(backoffAfterMs(named, backoff, 1)).toBe(900_000);
    expect(backoffAfterMs(new Refused('busy', 'now', { retryAfterMs: 1 }), backoff, 3)).toBe(4_000);
    expect(backoffAfterMs(new Error('?'), backoff, 2)).toBe(2_000);
  });
});

describe('design/retries.md', () => {
  test('lists exactly the files that space their tries', () => {
    const table = readFileSync(join(ROOT, 'design', 'retries.md'), 'utf8');
    const listed = [...table.matchAll(/^\| `(src\/[\w/.-]+)`/gm)].map((row) => row[1]);
    const using = sources
      .filter(({ file }) => file !== 'src/core/backoff.ts')
      .filter(({ text }) => /\bbackoff(After)?Ms\(/.test(text));
    expect(listed.sort()).toEqual(using.map(({ file }) => file).sort());
  });

  test('no other file has a formula of its own', () => {
    const formula = /2 \*\* |Math\.pow|\b\w*(?:wait|pause|delay|backoff)\w* ?(?:\*= ?2|\* ?2)\b/i;
    const own = sources.filter(({ file, text }) => file !== 'src/core/backoff.ts' && formula.test(text));
    expect(own.map(({ file }) => file)).toEqual([]);
  });
});
