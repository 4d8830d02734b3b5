// The hosts of a worker as the server opens them: all reach the model over one socket of the worker, turn after turn, also when
// others were started meanwhile, each as a user of its own where root started them.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import type { Log } from '../../src/core/log.ts';
import type { Lease, SessionHead } from '../../src/core/records.ts';
import { openWorkerHosts } from '../../src/local/hosts.ts';
import { openStores } from '../../src/local/stores.ts';
import { createScriptedModel } from '../../testing/model/scripted-model.ts';
import { EXAMPLE, leaseOf, obey, requestOf } from '../agent/turn-fixture.ts';

test('two sessions take turns, each hot, over the same socket', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'worker-hosts-'));
  const limits = { maxWorkspaceBytes: 50_000_000, maxWorkspaceFiles: 10_000 };
  const stores = await openStores(
    { dataDir, retentionSec: 86_400, keepGenerations: 10, limits },
    { create: true },
  );
  const model = await createScriptedModel(obey);
  const starts: unknown[] = [];
  const log: Log = (_level, event, fields) => {
    if (event === 'agent-started') starts.push(fields?.start);
  };
  const example = await loadAgentFolder(EXAMPLE);
  // Without a rule for the network each has one of its own, and nothing but the socket leads out.
  const folder = { ...example, settings: { ...example.settings, network: { allow: [] } } };
  const hot = { sessions: 2, memoryBytes: 2e9, idleMs: 600_000 };
  const settings = { dataDir, limits, proxy: {}, prices: {}, budgets: {}, publicUrl: null, hot };
  const { hosts, close } = await openWorkerHosts(
    settings,
    stores,
    folder,
    { baseUrl: model.url, apiKey: 'sk-real-key', demo: false },
    log,
  );
  const sessions = ['one', 'two'].map((name) => {
    const lease = leaseOf(randomUUID());
    const times = { createdAtMs: 0, updatedAtMs: 0, expiresAtSec: 2 ** 31 };
    const head: SessionHead = { ...lease, generation: 0, state: null, ...times };
    return { lease: { ...lease, sessionKey: `${lease.sessionKey}-${name}` as Lease['sessionKey'] }, head };
  });
  try {
    for (let round = 1; round <= 2; round++) {
      for (const session of sessions) {
        const host = await hosts.open({ ...session.lease, fence: round }, session.head);
        const outcome = await host.run({
          sessionId: session.head.sessionId,
          resume: session.head.generation > 0,
          continuing: false,
          request: requestOf('hello', `${session.head.sessionId}-${round}`),
          tries: 1,
          progress: () => {},
          signal: new AbortController().signal,
        });
        expect(outcome).toMatchObject({ status: 'ok' });
        const saved = await host.save({ head: session.head, generation: round, running: false });
        session.head = { ...session.head, generation: round, state: saved.state };
        await host.close({ keep: true });
      }
    }
    expect(starts).toEqual(['cold', 'cold', 'hot', 'hot']);
  } finally {
    await close();
    await model.close();
    await stores.close();
    await rm(dataDir, { recursive: true });
  }
});
