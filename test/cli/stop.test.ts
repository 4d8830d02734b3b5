// Ctrl-C in the terminal: the running turn is stopped, what it did so far is kept and shown.
import { expect, test } from 'vitest';
import { COUNT_ON } from '../waiting.ts';
import { emptyFolder, run, start } from './fixture.ts';

test('Ctrl-C while a message is answered stops the turn, prints what there is, and ends with 130', async () => {
  const cwd = await emptyFolder();
  // The answer begins before it is stopped: progress is on the event log of the turn, the reply on standard output.
  const child = start(['chat', '--once', COUNT_ON, '--json'], { cwd });
  let out = '';
  child.stdout.on('data', (piece) => {
    out += piece;
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const shown = async () => {
    const { out: json } = await run(['sessions', 'show', 'main', '--json'], { cwd });
    return json === '' ? null : JSON.parse(json).turns[0]?.status;
  };
  await expect.poll(shown).toBe('running');
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(JSON.parse(out).reply).toMatchObject({
    outcome: 'stopped',
    text: expect.stringContaining('(stopped)'),
  });
});
