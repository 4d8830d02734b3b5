// `schedules` on a data folder, without a server.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sessionKeyOf } from '../../src/core/ids.ts';
import { createSqliteSchedules } from '../../src/stores/sqlite/index.ts';
import { scheduleOf } from '../../testing/contracts/schedules.ts';
import { emptyFolder, type Ran, run as runIn } from './fixture.ts';

test('an operator lists, holds back, runs and ends schedules, and exports them with the chat', async () => {
  const cwd = await emptyFolder();
  const run = (args: readonly string[]): Promise<Ran> => runIn(args, { cwd });
  await run(['chat', 'main', '--once', 'hello']);
  expect((await run(['schedules', 'list', 'main'])).err).toContain('Nothing is scheduled');
  const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'cli-main', thread: null };
  const sessionKey = sessionKeyOf(conversation);
  const schedules = createSqliteSchedules({ database: join(cwd, '.hybrid-sessions', 'sessions.db') });
  const schedule = { ...scheduleOf(Date.now()), conversation, sessionKey };
  await schedules.add(schedule);
  await schedules.close();
  const id = schedule.id.slice(4, 10);
  expect((await run(['schedules', 'list', 'main'])).out).toMatch(
    new RegExp(`${id} +plan 0 +\\(0 9 \\* \\* \\*\\): next`),
  );
  expect((await run(['schedules', 'pause', 'main', id])).out).toContain('paused');
  expect((await run(['schedules', 'resume', 'main', id])).out).toContain('next:');
  expect((await run(['schedules', 'run', 'main', id])).out).toContain('is queued');
  const listed = JSON.parse((await run(['schedules', 'list', 'main', '--json'])).out);
  expect(listed.schedules[0].runs).toMatchObject([{ outcome: 'woken' }]);
  expect((await run(['schedules', 'cancel', 'main', id, '--json'])).out).toContain('"cancelled"');
  expect(await run(['schedules', 'pause', 'main', 'ffff'])).toMatchObject({
    code: 4,
    err: expect.stringContaining('schedules list'),
  });
  expect((await run(['sessions', 'erase', 'cli-main', '--yes'])).code).toBe(0);
  const after = createSqliteSchedules({ database: join(cwd, '.hybrid-sessions', 'sessions.db') });
  expect(await after.list(sessionKey)).toEqual([]);
  await after.close();
});
