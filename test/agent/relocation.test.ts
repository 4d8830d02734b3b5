// Exported variables of a session that woke elsewhere: bash itself writes the values, bash itself reads them back.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { moveVariables } from '../../src/agent/relocation.ts';

const places = (root: string, config: string) => ({
  workspace: `${root}/workspace`,
  config: `${root}/${config}`,
  home: `${root}/home`,
  temporary: `${root}/tmp`,
});
const LOCAL = places("/tmp/my folder's/0f3a", 'config');
const LAMBDA = places('/tmp', '.claude-code');

/** The value as bash quotes it, moved, and as bash then understands it. */
function moved(value: string, from = LAMBDA, to = LOCAL): string {
  const line = execFileSync('bash', ['-c', 'printf "export X=%q" "$1"', '-', value]).toString();
  const text = moveVariables(`${line}\n`, from, to);
  return execFileSync('bash', ['-c', `${text}printf %s "$X"`]).toString();
}

test.each([
  ['/tmp/workspace', `${LOCAL.workspace}`],
  ['/tmp/workspace/a b/c', `${LOCAL.workspace}/a b/c`],
  ['/tmp/.claude-code/x:/tmp/home/bin:/usr/bin', `${LOCAL.config}/x:${LOCAL.home}/bin:/usr/bin`],
  ['--at=/tmp/workspace,/tmp/tmp', `--at=${LOCAL.workspace},${LOCAL.temporary}`],
  ['two\nlines in /tmp/workspace/it', `two\nlines in ${LOCAL.workspace}/it`],
  // Other folders whose names only look like it.
  ['/tmp/workspace-2', '/tmp/workspace-2'],
  ['/mnt/tmp/workspace', '/mnt/tmp/workspace'],
  ['/tmp/else', '/tmp/else'],
])('%j', (value, expected) => {
  expect(moved(value)).toBe(expected);
  expect(moved(expected, LOCAL, LAMBDA)).toBe(value);
});

test('a change of PATH is moved, an unset line stays', () => {
  const text = 'export PATH=/tmp/workspace/bin:"$PATH":/tmp/home/x\nunset A\n';
  const there = moveVariables(text, LAMBDA, places('/x', 'config'));
  expect(there).toBe('export PATH=/x/workspace/bin:"$PATH":/x/home/x\nunset A\n');
});
