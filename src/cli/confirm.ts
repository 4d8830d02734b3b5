// Asks before something that cannot be taken back. Where nobody can be asked, `--yes` has to be given.
import { createInterface } from 'node:readline/promises';
import { Invalid } from '../core/errors.ts';
import type { CliContext } from './context.ts';

/** Throws `Invalid('declined')` unless the answer is yes; `otherwise` says what became of it. */
export async function confirm({ terminal }: CliContext, question: string, otherwise: string): Promise<void> {
  if (!terminal.interactive) {
    throw new Invalid('usage', otherwise, { advice: 'Add --yes where nobody can be asked.' });
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${question} [y/N] `);
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new Invalid('declined', otherwise);
}
