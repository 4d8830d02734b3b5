// Asks before an action that cannot be undone. Where there is no terminal to ask on, `--yes` is required.
import { createInterface } from 'node:readline/promises';
import { Invalid } from '../core/errors.ts';
import type { CliContext } from './context.ts';

/** Throws `Invalid('declined')` unless the answer is yes; `otherwise` is the sentence shown then. */
export async function confirm({ terminal }: CliContext, question: string, otherwise: string): Promise<void> {
  if (!terminal.interactive) {
    throw new Invalid('usage', otherwise, { advice: 'Add --yes where nobody can be asked.' });
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${question} [y/N] `);
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new Invalid('declined', otherwise);
}
