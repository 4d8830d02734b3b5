// The made-up pager in a whole installation on Lambda: registered at deployment, called, answered by the worker, and
// taken back at the end; beside it Telegram goes on as if nothing had come. The deployed files differ from ours by
// four programs that name the longer list.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALLOWED_USER, type Installation } from '../../testing/lambda/installation.ts';
import { pager } from '../channels/pager/descriptor.ts';
import { startFakeService, TOKEN } from '../channels/pager/fake-service.ts';
import { startBuiltInstallation } from './built-installation.ts';

const ANN = 'ann-1';

const folder = mkdtempSync(join(tmpdir(), 'hybrid-own-channel-'));
const service = await startFakeService();
let output = '';

const started = await startBuiltInstallation({
  folder,
  programs: join(import.meta.dirname, '../channels/pager/programs'),
  channels: [
    {
      channel: pager,
      section: {
        tokenParameter: '/own/pager',
        pagers: [ANN],
        apiRoot: service.apiRoot,
        signature: ' -- paged',
      },
      secrets: { '/own/pager': TOKEN },
    },
  ],
  onOutput: (text) => {
    output += text;
  },
});
const unavailable = 'unavailable' in started ? started.unavailable : null;
const installation = started as Installation;

beforeAll(() => {
  if (unavailable) console.warn(`Skipped: ${unavailable}`);
});
afterAll(async () => {
  if (!unavailable) await installation.close();
  await service.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(unavailable)('an installation with a channel of its own', () => {
  test('the deployment registered it, with a secret that nobody chose', () => {
    expect(service.registered?.url).toBe(`${installation.ingressUrl}/pager`);
    expect(service.registered?.secret).toBe(installation.parameters.values.get('/local/pager-call-secret'));
    expect(service.registered?.secret).toMatch(/^[\w-]{40,}$/);
  });

  test('a call is a turn of the worker, and its answer is one page; the next call knows of it', async () => {
    const message = { id: 'm1', from: ANN, text: 'run: echo paged-$((40 + 2))' };
    expect(await service.call(message)).toBe(202);
    expect(await service.call(message)).toBe(202);
    await expect.poll(() => service.pagesTo(ANN).at(-1)).toMatch(/paged-42[\s\S]* -- paged$/);
    expect(await service.call({ id: 'm2', from: ANN, text: 'what did I say?' })).toBe(202);
    await expect.poll(() => service.pagesTo(ANN).length).toBe(2);
    expect(service.pagesTo(ANN)[1]).toContain('paged-');
  });

  test('ingress finds it by path and method, and it checks who calls', async () => {
    const get = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`${installation.ingressUrl}${path}`, init);
      return [response.status, await response.text()];
    };
    const headers = { 'x-pager': service.registered?.secret ?? '' };
    expect(await get('/pager/check/hello', { headers })).toEqual([200, 'hello']);
    expect(await get('/pager/check/hello')).toEqual([401, '']);
    expect(await get('/pager/calls', { headers })).toEqual([405, '']);
    expect(await get('/pager', { headers })).toEqual([404, '']);
    expect(await get('/telegram')).toEqual([405, '']);
  });

  test('Telegram answers beside it', async () => {
    const { bot } = installation;
    bot.say(ALLOWED_USER, 'run: echo telegram-$((40 + 2))');
    await expect.poll(() => bot.chat(ALLOWED_USER).botTexts.join()).toContain('telegram-42');
  });

  test('a removed stack takes back what it registered, and no secret was logged', async () => {
    const { registrations, setup, parameters } = installation;
    const [registration] = registrations.filter(({ channel }) => channel === 'pager');
    const secret = parameters.values.get('/local/pager-call-secret') ?? '?';
    await setup({ type: 'Delete', properties: { ...registration }, physicalId: 'x' });
    expect(service.registered).toBeNull();
    expect(output).toContain('turn-ended');
    for (const hidden of [TOKEN, secret]) expect(output).not.toContain(hidden);
  });
});
