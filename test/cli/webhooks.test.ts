// `webhooks` on a data folder, without a server; what is queued goes out when one starts (test/local/webhooks.test.ts).
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tenantId } from '../../src/core/ids.ts';
import type { WebhookId } from '../../src/core/webhooks.ts';
import { createSqliteWebhooks } from '../../src/stores/sqlite/index.ts';
import { lineOf } from '../../testing/contracts/webhooks.ts';
import { emptyFolder, type Ran, run as runIn } from './fixture.ts';

test('an operator adds, lists, looks into, replays and removes', async () => {
  const cwd = await emptyFolder();
  const run = (args: readonly string[]): Promise<Ran> => runIn(args, { cwd });
  await run(['chat', 'main', '--once', 'hello']);
  expect((await run(['webhooks', 'list'])).err).toContain('There is no webhook');
  for (const [url, why] of [
    ['nothing', 'no address'],
    ['http://example.com/', 'Only https'],
    ['https://10.0.0.1/', 'not on the internet'],
  ] as const) {
    expect(await run(['webhooks', 'add', url])).toMatchObject({ code: 3, err: expect.stringContaining(why) });
  }
  const added = await run([
    'webhooks',
    'add',
    'https://example.com/hook',
    '--event',
    'turn.failed',
    '--json',
  ]);
  const { id, secret, events } = JSON.parse(added.out) as { id: WebhookId; secret: string; events: string[] };
  expect([secret.slice(0, 6), events]).toEqual(['whsec_', ['turn.failed']]);
  const listed = await run(['webhooks', 'list', '--json']);
  expect(JSON.parse(listed.out).webhooks).toMatchObject([{ id, url: 'https://example.com/hook' }]);
  expect(listed.out).not.toContain(secret);

  const database = join(cwd, '.hybrid-sessions', 'sessions.db');
  const store = createSqliteWebhooks({ database });
  const tenant = tenantId('default');
  const line = {
    ...lineOf({ ...(await store.list(tenant))[0]! }, Date.now()),
    status: 'failed',
    dueMs: null,
  } as const;
  await store.enqueue(line);
  expect((await run(['webhooks', 'log', id])).out).toContain(`${line.id}  turn.final  failed`);
  expect((await run(['webhooks', 'replay', id, line.id])).out).toContain('is queued');
  expect(await store.delivery(tenant, id, line.id)).toMatchObject({ status: 'pending', replays: 1 });
  expect(await run(['webhooks', 'replay', id, 'msg_none'])).toMatchObject({ code: 4 });
  expect((await run(['webhooks', 'remove', id])).code).toBe(0);
  expect(await run(['webhooks', 'log', id])).toMatchObject({
    code: 4,
    err: expect.stringContaining('webhooks list'),
  });
  expect(await store.delivery(tenant, id, line.id)).toBeNull();
  await store.close();
});
