// Which names of the config folder are no part of a session's state.
import { expect, test } from 'vitest';
import { EXCLUDED_FROM_CONFIG, isExcluded } from '../../src/state/excluded.ts';

test.each(EXCLUDED_FROM_CONFIG.map(({ name }) => name))('%s, and what is below it', (name) => {
  expect(isExcluded(`config/${name}`)).toBe(true);
  expect(isExcluded(`config/${name}/below`)).toBe(true);
  expect(isExcluded(`config/projects/${name}`)).toBe(false);
  expect(isExcluded(`workspace/${name}`)).toBe(false);
});

test.each([
  '.claude.json.lock',
  '.claude.json.lock/pid',
  '.claude.json.tmp.14.1671edbc',
  'settings.json.bak',
])('what a program leaves beside a file while it writes it: %s', (path) =>
  expect(isExcluded(`config/${path}`)).toBe(true),
);

test.each(['history.jsonl', 'projects/a/b.jsonl', 'agents.md', '.claude', 'cache.db', '.claude.jsonl'])(
  'other names are kept: %s',
  (path) => expect(isExcluded(`config/${path}`)).toBe(false),
);
