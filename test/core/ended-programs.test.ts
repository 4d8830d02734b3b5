// What a reply says of programs that were ended with the turn: every one by name, its last lines as they are, and nothing of
// them becomes Markdown of its own.
import { expect, test } from 'vitest';
import { withEndedPrograms } from '../../src/core/ended-programs.ts';
import { splitMarkdown } from '../../src/core/split-markdown.ts';

test('nothing was ended: the reply as it is', () => {
  expect(withEndedPrograms('done')).toBe('done');
  expect(withEndedPrograms('done', [])).toBe('done');
});

test.each(['', 'ready on port 3000', '```\nan open fence', '# no heading\n| no | table |', '`'.repeat(9)])(
  'last lines %j stand in a block of code that they cannot leave',
  (lastLines) => {
    const text = withEndedPrograms('done', [{ name: 'npm run `dev`', lastLines }]);
    expect(text).toMatch(
      /^done\n\n_Still running when this turn ended, so it was ended:_ `` npm run `dev` ``/,
    );
    const block = /\n\n(`{3,})\n([\s\S]*)\n\1$/.exec(text);
    expect(block?.[2] ?? '').toBe(lastLines.trimEnd());
    expect(splitMarkdown(text, 4_096)).toHaveLength(1);
  },
);

test('a reply without words, several programs', () => {
  const text = withEndedPrograms('', [
    { name: 'a', lastLines: '' },
    { name: 'b', lastLines: '' },
  ]);
  expect(text.split('\n\n')).toHaveLength(2);
});
