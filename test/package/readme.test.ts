// The program in README, as written: it answers, and the next run of it remembers.
import { expect, test } from 'vitest';
import { programFolder, programsOf } from './doc-program.ts';

test('README: its program of ten lines runs, twice', async () => {
  const [program = '', ...more] = programsOf('README.md', 'js');
  expect(more).toEqual([]);
  expect(program.trim().split('\n').length).toBeLessThanOrEqual(12);
  const folder = await programFolder();
  try {
    for (const turns of [2, 4]) {
      const said = await folder.run(program);
      expect(said).toContain('the colour is teal');
      expect(said).toContain(`${turns} turns so far`);
    }
  } finally {
    await folder.remove();
  }
});
