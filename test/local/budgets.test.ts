// A budget of the configuration file, through server and workers: it stands from turn to turn and over a restart, and
// costs no other chat its answer.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { tenantId } from '../../src/core/ids.ts';
import { createSqliteUsageLedger } from '../../src/stores/sqlite/index.ts';
import { startLocalSystem } from '../../testing/local-system.ts';

const usage = { inputTokens: 1_000, outputTokens: 100 };
const respond = () => ({ blocks: [{ type: 'text', text: 'an answer' }] as const, usage });

test('the chat’s budget is kept by all workers and after a restart', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'hybrid-budgets-'));
  try {
    const settings = { budgets: { chat: { day: { tokens: 2_000 } } } };
    await writeFile(join(dataDir, 'hybrid-sessions.config.json'), JSON.stringify(settings));
    const options = { dataDir, workers: 2, respond, env: { ANTHROPIC_MODEL: 'claude-sonnet-5' } };
    const first = await startLocalSystem(options);
    try {
      for (let i = 0; i < 2; i++) {
        expect((await first.say('spender', 'hello')).reply).toMatchObject({
          outcome: 'ok',
          text: 'an answer',
        });
      }
      const refused = await first.say('spender', 'again');
      expect(refused.reply).toMatchObject({ outcome: 'failed', code: 'agent-error' });
      expect(refused.reply.text).toContain('The budget of this chat for today (2,000 tokens) is used up.');
      expect(refused.reply.text).not.toMatch(/API Error|402|refused the request/);
      expect((await first.say('other', 'hello')).reply.outcome).toBe('ok');
    } finally {
      await first.close();
    }
    const second = await startLocalSystem(options);
    try {
      expect((await second.say('spender', 'still?')).reply.text).toContain('is used up');
      expect(second.model?.requests.filter(({ path }) => path === '/v1/messages')).toEqual([]);
    } finally {
      await second.close();
    }
    const ledger = createSqliteUsageLedger({ database: join(dataDir, 'sessions.db') });
    const tenant = tenantId(DEFAULT_TENANT);
    const [month] = await ledger.history({ tenant, scope: 'tenant', id: '' });
    await ledger.close();
    expect(month?.usage).toMatchObject({ calls: 3, inputTokens: 3_000, outputTokens: 300 });
    expect(month?.usage.costNanoUsd).toBe(3 * (1_000 * 2_000 + 100 * 10_000));
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});
