// `links` on a data folder, without a server; what chats say to it runs in servers of its own.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { emptyFolder, type Ran, run as runIn } from './fixture.ts';

test('an operator makes a code, sees the links of a chat, exports and ends them', async () => {
  const cwd = await emptyFolder();
  const run = (args: readonly string[]): Promise<Ran> => runIn(args, { cwd });
  const says = (chat: string, text: string) => run(['chat', chat, '--once', text]);
  await says('one', 'run: echo said-in-$((20 + 1))');
  await says('two', 'hello');
  expect((await run(['links', 'list', 'one'])).err).toContain('shares its conversation with no other one');
  const { code } = JSON.parse((await run(['links', 'code', 'one', '--json'])).out) as { code: string };
  expect((await says('two', `/link ${code}`)).out).toContain('Linked');
  expect((await says('two', 'what did I say?')).out).toContain('said-in-');
  expect((await run(['links', 'list', 'one'])).out).toMatch(/shared by +http +cli-two/);
  expect((await run(['links', 'list', 'two'])).out).toMatch(/shares that of +http +cli-one/);
  const exported = await run(['sessions', 'export', 'cli-two', join(cwd, 'out'), '--everything']);
  expect(exported.code).toBe(0);
  expect(JSON.parse(await readFile(join(cwd, 'out', 'chat.json'), 'utf8'))).toMatchObject({
    linked_to: { channel: 'http', chat: 'cli-one' },
    linked_from: [],
  });
  expect((await run(['links', 'end', 'two'])).out).toContain('Ended');
  expect((await says('two', 'what did I say?')).out).not.toContain('said-in-');
  expect(await run(['links', 'end', 'two'])).toMatchObject({
    code: 4,
    err: expect.stringContaining('links list'),
  });
});
