// What an operator does when something went wrong: damaged state goes back to what can be read, a message that was
// set aside is looked at, given back, dropped. Every command a process of its own.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { run as runIn } from './fixture.ts';

let cwd: string;
const run = (args: readonly string[]) => runIn(args, { cwd });
const json = async (args: readonly string[]) => {
  const { code, out, err } = await run([...args, '--json']);
  return { code, err, value: out === '' ? null : JSON.parse(out) };
};
const say = async (text: string) => (await json(['chat', '--once', text])).value;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'hybrid-sessions-mending-'));
});
afterAll(() => rm(cwd, { recursive: true, force: true }));

async function packsOf(sessionId: string): Promise<string[]> {
  const folder = join(cwd, '.hybrid-sessions', 'objects');
  const names = await readdir(folder, { recursive: true });
  const files = names.filter((name) => name.includes(sessionId)).map((name) => join(folder, name));
  const found = await Promise.all(files.map(async (file) => ((await stat(file)).isFile() ? [file] : [])));
  return found.flat().sort();
}

test(`${promise('NO-AMNESIA')} repair goes back to the newest readable generation, after it has said so; dlq gives the lost message back`, async () => {
  const { session_id: sessionId } = await say('remember the colour is teal');
  await say('remember the number is 7');
  expect((await run(['sessions', 'repair', 'main'])).out).toContain('Nothing to repair.');
  expect((await run(['dlq', 'list'])).err).toContain('No dead letters.');
  const newest = (await packsOf(sessionId)).at(-1) ?? '';
  const bytes = await readFile(newest);
  bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 0xff;
  await rm(newest);
  await writeFile(newest, bytes);

  const lost = await say('what do you remember?');
  expect(lost.reply).toMatchObject({ outcome: 'failed', code: 'state-unreadable' });
  expect(lost.reply.text).toContain('sessions repair');
  const verified = await json(['sessions', 'verify']);
  expect(verified.code).toBe(6);
  expect(verified.value.sessions[0]).toMatchObject({ readable: false, restorable: [1], generation: 2 });

  const asked = await run(['sessions', 'repair', 'main']);
  expect(asked.code).toBe(2);
  expect(asked.err).toContain('Nothing was changed. Add --yes');
  expect(asked.out).toContain('Generation 3 is made of the files of generation 1.');
  expect(asked.out).toContain('cannot be read: generation 2.');
  expect((await json(['sessions', 'show', 'main'])).value.generation).toBe(2);
  const wrong = await run(['sessions', 'repair', 'main', '--generation', '2', '--yes']);
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('These can: 1.')]);

  const repaired = await json(['sessions', 'repair', 'main', '--yes']);
  expect(repaired).toMatchObject({ code: 0, value: { repaired: true, generation: 3, go_back_to: 1 } });
  expect((await run(['sessions', 'verify'])).code).toBe(0);

  const [letter] = (await json(['dlq', 'list'])).value.dead_letters;
  expect(letter).toMatchObject({
    reason: 'state-unreadable',
    turn_status: 'delivered',
    excerpt: 'what do you remember?',
    chat: 'http/cli-main',
  });
  expect(lost.reply.text).toContain(letter.support_id);
  const shown = await run(['dlq', 'show', letter.support_id]);
  expect(shown.out).toContain('asks the agent again');
  const replayed = await json(['dlq', 'replay', letter.support_id]);
  expect(replayed.value).toMatchObject({ replayed: letter.id, how: 'asked-again' });
  expect((await json(['dlq', 'list'])).value.dead_letters).toEqual([]);
  const gone = await run(['dlq', 'drop', letter.id]);
  expect([gone.code, gone.err]).toEqual([4, expect.stringContaining('`hybrid-sessions dlq list`')]);

  await say('remember the day is Monday');
  const { turns } = (await json(['sessions', 'show', 'main'])).value;
  const again = turns.find(({ turn_id }: { turn_id: string }) => turn_id === replayed.value.turn_id);
  expect(again).toMatchObject({ status: 'delivered', reply: { outcome: 'ok' } });
  expect(again.reply.text).toContain('teal');
  expect(again.reply.text).not.toContain('number is 7');
});
