import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AGENT_MODES, PROMISES, type ProductPromise } from '../../src/core/promises.ts';

const root = join(import.meta.dirname, '../..');

/** Every text file below `folder` with one of these endings. */
function textsBelow(folder: string, endings: readonly string[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !endings.some((e) => entry.name.endsWith(e))) continue;
    const path = join(entry.parentPath, entry.name);
    texts.set(path.slice(root.length + 1), readFileSync(path, 'utf8'));
  }
  return texts;
}

function citedIds(): Set<string> {
  const cited = new Set<string>();
  for (const folder of ['test', 'testing']) {
    for (const text of textsBelow(folder, ['.ts']).values()) {
      for (const call of text.matchAll(/promise\(([^)]*)\)/g)) {
        for (const id of (call[1] ?? '').matchAll(/'([A-Z-]+)'/g)) cited.add(id[1] as string);
      }
    }
  }
  return cited;
}

test('every kept promise is cited by a test', () => {
  const cited = citedIds();
  const uncited = PROMISES.filter((p) => p.status === 'kept' && !cited.has(p.id)).map((p) => p.id);
  expect(uncited).toEqual([]);
});

test('no test cites a promise that does not exist', () => {
  const known = new Set<string>(PROMISES.map((p) => p.id));
  expect([...citedIds()].filter((id) => !known.has(id))).toEqual([]);
});

test('nothing a user reads claims a promise that is still planned', () => {
  const planned = PROMISES.filter((p) => (p.status as string) === 'planned').map((p) => p.id);
  const read = new Map([
    ...textsBelow('docs', ['.md']),
    ...textsBelow('web', ['.js', '.html']),
    ...textsBelow('src/cli', ['.ts']),
    ['README.md', readFileSync(join(root, 'README.md'), 'utf8')] as const,
  ]);
  const claims: string[] = [];
  for (const [path, text] of read) {
    for (const id of planned) {
      // Of program text only what it can print counts.
      const shown = path.endsWith('.md') ? text : (text.match(/'[^'\n]*'|`[^`]*`/g) ?? []).join('\n');
      const lines = shown.split('\n').filter((l) => new RegExp(`(?<![A-Z_-])${id}(?![A-Z_-])`).test(l));
      for (const line of lines) if (!/planned/i.test(line)) claims.push(`${path}: ${line.trim()}`);
    }
  }
  expect(claims).toEqual([]);
});

const BY_MODE = (PROMISES as readonly ProductPromise[]).filter(({ modes }) => modes);

test.each(BY_MODE)('$id by mode: the tests named there cite it', ({ id, modes }) => {
  for (const mode of AGENT_MODES) {
    const kept = modes![mode];
    for (const file of 'tests' in kept ? kept.tests : []) {
      expect(readFileSync(join(root, 'test', file), 'utf8'), file).toMatch(
        new RegExp(`promise\\([^)]*'${id}'`),
      );
    }
  }
});

test.each(BY_MODE)('$id by mode: docs/security.md says the same', ({ id, modes }) => {
  const row = readFileSync(join(root, 'docs/security.md'), 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`| ${id} |`));
  const cells = row
    ?.split('|')
    .slice(2, 2 + AGENT_MODES.length)
    .map((cell) => cell.trim());
  expect(cells).toEqual(
    AGENT_MODES.map((mode) => {
      const kept = modes![mode];
      return 'not' in kept ? `no: ${kept.not}` : 'kept';
    }),
  );
});
