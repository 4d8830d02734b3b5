// A conversation whose session is away, over the real turn and the in-memory ports: what would change the session is answered
// with a sentence, what leaves it alone goes on.
import { expect, test } from 'vitest';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { type TurnRequest, turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import type { WorkerParts } from '../../testing/worker-parts.ts';
import { createFixture } from './fixture.ts';

const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null };
const AWAY = { id: 'copy', sinceMs: Date.UTC(2026, 0, 2, 3, 4) };

async function conversationAway() {
  const fixture = createFixture();
  let messages = 0;
  let away: typeof AWAY | null = null;
  const state: WorkerParts['state'] = {
    ...fixture.deps.state,
    awayOf: () => away,
    claim(head) {
      if (!away) return null;
      away = null;
      return { generation: head.generation + 1, state: head.state ?? [] };
    },
  };
  const say = async (text: string, kind: TurnRequest['kind'] = 'message') => {
    const input = { conversation, dedupeId: `m${++messages}`, text, kind, receivedAtMs: 0 };
    await acceptAndQueue(fixture.deps, turnRequest(input));
    while (await fixture.step({ state }));
    const reply = fixture.sent.at(-1)?.reply;
    if (!reply) throw new Error('Nothing was answered.');
    return reply;
  };
  await say('one');
  away = AWAY;
  return { fixture, say };
}

test(`${promise('NO-AMNESIA')} what would change the session is answered, and no agent runs`, async () => {
  const { fixture, say } = await conversationAway();
  for (const text of ['two', '/undo', '/redo', '/btw more', '/stop and then']) {
    expect(await say(text), text).toMatchObject({
      outcome: 'failed',
      code: 'session-away',
      text: expect.stringContaining('since 2026-01-02 03:04 UTC'),
    });
  }
  const due = await say('look at the news', 'wake');
  expect(due).toMatchObject({ code: 'session-away', text: expect.stringContaining('what was due now') });
  expect((await say('/status')).text).toContain("on somebody's computer since 2026-01-02 03:04 UTC");
  expect(fixture.runs).toHaveLength(1);
  const [head] = (await fixture.deps.store.listHeads('default' as never)).items;
  expect(head?.generation).toBe(1);
});

test('/handoff here goes on at once, and makes the next version', async () => {
  const { fixture, say } = await conversationAway();
  expect((await say('/handoff')).text).toContain('`/handoff here` goes on here');
  expect((await say('/handoff here')).text).toContain('We go on here');
  expect((await say('two')).text).toBe('heard two');
  expect((await say('/handoff here')).text).toContain('This conversation is here');
  const [head] = (await fixture.deps.store.listHeads('default' as never)).items;
  expect(head?.generation).toBe(3);
});

test('/new begins another session meanwhile', async () => {
  const { fixture, say } = await conversationAway();
  expect((await say('/new')).outcome).toBe('ok');
  expect(
    new Set((await fixture.deps.store.listHeads('default' as never)).items.map((h) => h.sessionId)).size,
  ).toBe(2);
});

test('/handoff answers with one line that names session, tenant and store', async () => {
  const fixture = createFixture();
  const tenant = 'acme';
  let messages = 0;
  const say = async (text: string) => {
    const input = {
      conversation: { ...conversation, tenant },
      dedupeId: `t${++messages}`,
      text,
      receivedAtMs: 0,
    };
    await acceptAndQueue(fixture.deps, turnRequest(input));
    await fixture.step({ pullOptions: '--aws some.json' });
    return fixture.sent.at(-1)?.reply.text ?? '';
  };
  expect(await say('/handoff')).toContain('Nothing has been said here yet');
  await say('one');
  const lines = (await say('/handoff')).split('\n').filter((line) => line.startsWith('npx'));
  expect(lines).toEqual([
    expect.stringMatching(/^npx hybrid-sessions pull [\w-]+ --tenant acme --aws some\.json$/),
  ]);
});
