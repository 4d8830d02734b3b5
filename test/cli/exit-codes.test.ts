// The exit codes that docs/cli.md lists, each by every kind of failure that ends with it.
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { expect, test } from 'vitest';
import { EXIT, exitCodeOf } from '../../src/cli/failure.ts';
import { Ambiguous, Conflict, Corrupt, Gone, Invalid, Refused } from '../../src/core/errors.ts';
import { emptyFolder, run } from './fixture.ts';

const system = (code: string) => Object.assign(new Error(code), { code });

test.each([
  ['an unknown defect', new Error('x'), EXIT.failed],
  ['no answer', new Ambiguous('no-answer', 'x'), EXIT.failed],
  ['a no to a question', new Invalid('declined', 'x'), EXIT.failed],
  ['a wrong option', new CommanderError(1, 'commander.unknownOption', 'x'), EXIT.usage],
  ['help that was asked for', new CommanderError(0, 'commander.help', 'x'), EXIT.ok],
  ['arguments that do not go together', new Invalid('usage', 'x'), EXIT.usage],
  ['a wrong setting', new Invalid('bad-config', 'x'), EXIT.configuration],
  ['a full disk', system('ENOSPC'), EXIT.configuration],
  ['no permission', system('EACCES'), EXIT.configuration],
  ['nothing there', new Gone('no-data', 'x'), EXIT.notFound],
  ['a running turn', new Conflict('turn-running', 'x'), EXIT.busy],
  ['a held lease', new Refused('lease-busy', 'x'), EXIT.busy],
  ['damage', new Corrupt('bad-pack', 'x'), EXIT.corrupt],
] as const)('%s', (_name, error, code) => {
  expect(exitCodeOf(error)).toBe(code);
});

test.each([
  ['nothing at all', [], EXIT.usage],
  ['a command that is none', ['begin'], EXIT.usage],
  ['half a command', ['sessions'], EXIT.usage],
  ['an option that is none', ['start', '--prot', '1'], EXIT.usage],
  ['a port that is none', ['start', '--port', 'x'], EXIT.usage],
  ['--json without --once', ['chat', '--json'], EXIT.usage],
  ['--version', ['--version'], EXIT.ok],
  ['--help', ['sessions', 'list', '--help'], EXIT.ok],
  ['a server that is not there', ['chat', '--url', 'http://127.0.0.1:9', '--once', 'x'], EXIT.configuration],
  ['no data folder', ['dlq', 'list'], EXIT.notFound],
  ['an installation file that is not there', ['sessions', 'list', '--aws', 'x.json'], EXIT.configuration],
] as const)('the command with %s', async (_name, args, code) => {
  const ran = await run(args, { cwd: await emptyFolder() });
  expect(ran.code, ran.err).toBe(code);
});

test('docs/cli.md has a row for each', () => {
  const page = readFileSync('docs/cli.md', 'utf8');
  const rows = [...page.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  expect(rows).toEqual(Object.values(EXIT));
});
