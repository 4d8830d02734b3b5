// docs/session-store.md: its program, as written; then on from the store alone in another directory and with another
// configuration directory, as on another machine.
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDemoModel } from '../../src/agent/demo-model.ts';
import { programFolder, programsOf } from './doc-program.ts';

test('the page resumes a session from the store alone', async () => {
  const [program = ''] = programsOf('docs/session-store.md', 'ts');
  const model = await createDemoModel();
  const [here, elsewhere] = [await programFolder(), await programFolder()];
  const { endpoint } = model;
  if (!('baseUrl' in endpoint) || endpoint.baseUrl === undefined)
    throw new Error('The demo model has no address.');
  const account = { ANTHROPIC_BASE_URL: endpoint.baseUrl, ANTHROPIC_API_KEY: 'none' };
  const env = (place: typeof here) => ({ ...account, TMPDIR: join(place.path, 'home') });
  try {
    const first = await here.run(program, { args: ['remember the colour is teal'], env: env(here) });
    const sessionId = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(first)?.[0] ?? '';
    await cp(join(here.path, 'data'), join(elsewhere.path, 'data'), { recursive: true });
    await rm(here.path, { recursive: true });
    const args = ['what do you remember?', sessionId];
    const second = await elsewhere.run(program, { args, env: env(elsewhere) });
    expect(second).toContain(sessionId);
    expect(second).toContain('the colour is teal');
  } finally {
    await Promise.all([here.remove(), elsewhere.remove(), model.close()]);
  }
});
