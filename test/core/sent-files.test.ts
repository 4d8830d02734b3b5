// What the agent sends, on its way from the host into the reply.
import { expect, test } from 'vitest';
import { fileKey, filesText, type SentFile } from '../../src/core/attachments.ts';
import { deliverReply } from '../../src/core/delivery.ts';
import { Refused } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import { turnRequest } from '../../src/core/messages.ts';
import type { AgentHost, GivenAway } from '../../src/core/ports.ts';
import type { Reply } from '../../src/core/records.ts';
import type { RunningTurn } from '../../src/core/running-turn.ts';
import { takeSentFiles, withMissingFiles } from '../../src/core/sent-files.ts';
import { createMemorySessionStore } from '../../src/stores/memory/index.ts';
import { createManualClock } from '../../testing/clock.ts';

const conversation = { tenant: 'acme', channel: 'http', bot: 'local', chat: 'c', thread: null };
const request = turnRequest({ conversation, dedupeId: 'x', text: 'x', receivedAtMs: 0 });
const SENT: readonly SentFile[] = [
  { name: 'a.txt', mediaType: 'text/plain', bytes: 3 },
  { name: 'b_*.txt', mediaType: 'text/plain', bytes: 4, caption: 'two' },
];

function running(fence: number) {
  const clock = { now: () => 0, sleep: async () => {} };
  return {
    request,
    lease: { tenant: 'acme', fence },
    deps: { log: silentLog, clock },
    signal: new AbortController().signal,
    progress: () => {},
  } as unknown as RunningTurn;
}

const hostOf = (give: (files: readonly GivenAway[]) => Promise<readonly boolean[]>) =>
  ({ give }) as unknown as AgentHost;

test('each file gets a key of this turn and this attempt, below the tenant', async () => {
  const keys: string[] = [];
  const host = hostOf(async (files) => {
    keys.push(...files.map(({ key }) => key));
    return files.map(() => true);
  });
  const first = await takeSentFiles(running(3), host, SENT);
  const second = await takeSentFiles(running(4), host, SENT);
  expect(new Set(keys).size).toBe(4);
  for (const key of keys) expect(key.startsWith(`acme/files/${request.turnId}/out-`)).toBe(true);
  expect([...first.files, ...second.files].map(({ object }) => fileKey('acme' as never, object))).toEqual(
    keys,
  );
  expect(first.files.map(({ object: _, ...file }) => file)).toEqual(SENT);
  expect(first.missing).toEqual([]);
});

test('a store that is away for a moment is asked again; what is not there is named to the person', async () => {
  let asked = 0;
  const host = hostOf(async () => {
    if (++asked === 1) throw new Refused('away', 'away');
    return [true, false];
  });
  const { files, missing } = await takeSentFiles(running(1), host, SENT);
  expect(asked).toBe(2);
  expect(files.map(({ name }) => name)).toEqual(['a.txt']);
  expect(withMissingFiles('Done.', missing)).toContain('Could not be sent: b\\_\\*.txt.');
  expect((await takeSentFiles(running(1), {} as AgentHost, SENT)).missing).toEqual(['a.txt', 'b_*.txt']);
  expect(withMissingFiles('Done.', [])).toBe('Done.');
});

test('a channel that cannot show files says their names', async () => {
  const clock = createManualClock();
  const store = createMemorySessionStore({ clock });
  const begun = await store.begin({
    request,
    owner: 'w',
    leaseMs: 1_000,
    newSessionId: '11111111-2222-4333-8444-555555555555' as never,
    retentionSec: 100,
  });
  const { files } = await takeSentFiles(
    running(1),
    hostOf(async () => [true, true]),
    SENT,
  );
  const reply: Reply = { outcome: 'ok', text: 'Here.', files };
  const shown: Reply[] = [];
  for (const able of [false, true]) {
    const channel = {
      name: 'http',
      capabilities: { edit: false, markdown: true, maxTextLength: 100, files: able },
      open: () => ({ push() {}, async close() {} }),
      deliver: async (_context: unknown, given: Reply) => void shown.push(given),
    };
    const turn = { ...begun.turn, reply };
    expect(await deliverReply({ store, clock, log: silentLog }, channel, begun.lease, request, turn)).toBe(
      'delivered',
    );
  }
  expect(shown[0]?.text).toContain(filesText(files));
  expect(shown[0]?.text).toContain('cannot show files');
  expect(shown[1]).toEqual(reply);
});
