// Agent hosts as invocations of a function with tenant isolation: what every host does (the contract), and what is of this
// place alone. Only the model is scripted, and the mailbox is in memory.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { newSessionId, sessionKeyOf, tenantOf } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import type { TurnEvent } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import type { Lease, SessionHead } from '../../src/core/records.ts';
import { tenantIdOf } from '../../src/host/lambda/lambda-hosts.ts';
import { agentSessionOf, branched } from '../../src/state/timeline.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { agentHostsContract } from '../host/agent-hosts-contract.ts';
import { type LambdaHostsFixture, MAX_WORKSPACE_BYTES, startLambdaHosts } from './lambda-hosts-fixture.ts';
import { conversation } from './one-turn.ts';

const MAX_ENVIRONMENTS = 8;

agentHostsContract({
  name: 'a function with tenant isolation',
  async open(model) {
    const place = await startLambdaHosts({ modelUrl: model.url, maxEnvironments: 50 });
    const { hosts, objects, output } = place;
    return {
      hosts,
      objects,
      maxBytes: MAX_WORKSPACE_BYTES,
      fatal: 'kill -9 -1',
      left: () => hosts.close(),
      output,
      close: place.close,
    };
  },
});

let model: ScriptedModel;
let place: LambdaHostsFixture;
beforeAll(async () => {
  model = await createScriptedModel(answerAsDemo);
  place = await startLambdaHosts({ modelUrl: model.url, maxEnvironments: MAX_ENVIRONMENTS });
});
afterAll(async () => {
  await place.close();
  await model.close();
});

function newHead(chat: string): SessionHead {
  const sessionKey = sessionKeyOf(conversation(chat));
  return {
    tenant: tenantOf(sessionKey),
    sessionId: newSessionId(),
    sessionKey,
    generation: 0,
    fence: 1,
    state: null,
    createdAtMs: 0,
    updatedAtMs: 0,
    expiresAtSec: 2 ** 31,
  };
}

interface Taken {
  readonly head: SessionHead;
  readonly text: string;
  readonly status: string;
}

/** One turn on a host of its own, saved. */
async function turn(
  head: SessionHead,
  text: string,
  { signal = new AbortController().signal, progress = (_: TurnEvent) => {} } = {},
): Promise<Taken> {
  onTestFailed(() => console.error(place.output().slice(-4_000)));
  const lease: Lease = { ...head, owner: randomUUID(), fence: head.fence + 1 };
  const host = await place.hosts.open(lease, head);
  try {
    const request = turnRequest({
      conversation: conversation('hosts'),
      dedupeId: randomUUID(),
      text,
      receivedAtMs: Date.now(),
    });
    const { sessionId } = head;
    const agentSessionId = agentSessionOf(head);
    const outcome = await host.run({
      sessionId,
      ...(agentSessionId !== sessionId && { agentSessionId }),
      resume: head.generation > 0,
      continuing: false,
      request,
      progress,
      tries: 1,
      signal,
    });
    const generation = head.generation + 1;
    const saved = await host.save({ head, generation, running: false });
    return {
      head: { ...head, fence: lease.fence, generation, state: saved.state },
      text: outcome.failure ? `${outcome.failure.code}: ${outcome.failure.message}` : outcome.text,
      status: outcome.status,
    };
  } finally {
    await host.close({ keep: false });
    await place.hosts.close();
  }
}

const environmentOf = (head: SessionHead) =>
  place.environments.all.find(({ tenantId }) => tenantId === tenantIdOf(head));

describe('a session', () => {
  test('runs, is saved by presigned URLs, and comes back in its own environment and in a new one', async () => {
    const first = await turn(newHead('a'), 'run: mkdir -p sub && echo kept > sub/note.txt && echo done-1');
    expect(first).toMatchObject({ status: 'ok', text: expect.stringContaining('done-1') });
    const before = environmentOf(first.head);
    const second = await turn(first.head, 'run: cat sub/note.txt; echo more >> sub/note.txt');
    expect(second.text).toContain('kept');
    expect(environmentOf(second.head)?.environment).toBe(before?.environment);
    await before?.environment.kill();
    const third = await turn(second.head, 'run: cat sub/note.txt');
    expect(third.text).toMatch(/kept\s+more/);
    expect(await turn(third.head, 'what did I say?')).toMatchObject({ text: expect.stringMatching(/note/) });
  });

  test('shows what happens while it happens, and can be stopped', async () => {
    const stop = new AbortController();
    const seen: TurnEvent[] = [];
    const stopped = await turn(newHead('stop'), `slowly: ${'one two three '.repeat(400)}`, {
      signal: stop.signal,
      progress: (event) => {
        seen.push(event);
        if (event.type === 'text') stop.abort('stop');
      },
    });
    expect(stopped.status).toBe('stopped');
    expect(seen.length).toBeGreaterThan(0);
  });

  test('its fork goes on in an environment of its own, from the same packs', async () => {
    const first = await turn(newHead('forked'), 'run: echo shared > note.txt');
    const sessionId = newSessionId();
    const { generation, state, branch } = branched(first.head) ?? {};
    if (!generation || !state || !branch) throw new Error('Nothing was forked.');
    const fork = { ...newHead('the fork'), sessionId, generation, state: branch };
    const next = await turn(fork, 'run: cat note.txt; echo own >> note.txt');
    expect(next.text).toContain('shared');
    expect(environmentOf(next.head)).not.toBe(environmentOf(first.head));
    const session = { ...first.head, generation, state };
    expect((await turn(session, 'run: cat note.txt; echo end')).text).toMatch(/shared\s+end/);
    expect((await turn(next.head, 'run: cat note.txt')).text).toMatch(/shared\s+own/);
  });

  test('a host that dies in the middle is an outcome, and the state stays', async () => {
    const first = await turn(newHead('dies'), 'run: echo kept > note.txt');
    const lease: Lease = { ...first.head, owner: 'other', fence: first.head.fence + 1 };
    const host = await place.hosts.open(lease, first.head);
    const request = turnRequest({
      conversation: conversation('dies'),
      dedupeId: randomUUID(),
      text: `slowly: ${'one two three '.repeat(400)}`,
      receivedAtMs: Date.now(),
    });
    const { sessionId } = first.head;
    const outcome = await host.run({
      sessionId,
      resume: true,
      continuing: false,
      request,
      tries: 1,
      signal: new AbortController().signal,
      progress: (event) => {
        if (event.type === 'text') void environmentOf(first.head)?.environment.kill();
      },
    });
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'agent-crashed' } });
    await host.close({ keep: false });
    const next = { ...first.head, fence: lease.fence };
    expect((await turn(next, 'run: cat note.txt')).text).toContain('kept');
  });

  test(`${promise('FORGET', 'NO-SECRETS')} its agent has no credential, no key, and nothing of another session`, async () => {
    await turn(newHead('victim'), 'run: echo the-text-of-a-victim > secret.txt');
    const look = `run: for f in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $f 2>/dev/null; done | grep -c -E 'AWS_SECRET|AWS_SESSION|control1' ; grep -rl the-text-of-a-''victim / --include=secret.txt 2>/dev/null | head -1; echo looked`;
    const { text } = await turn(newHead('a'), look);
    expect(text).toMatch(/(^|\n)\W*0\s+looked/);
    expect(text).not.toContain('secret.txt:');
  });

  test('more sessions than there may be environments are for later, which is no failure', async () => {
    for (let i = place.environments.all.length; i < MAX_ENVIRONMENTS; i++)
      await turn(newHead(`fill-${i}`), 'hello');
    const error = await turn(newHead('one too many'), 'hello').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'Refused', code: 'workplace-busy' });
    expect((error as { retryAfterMs: number }).retryAfterMs).toBeGreaterThanOrEqual(10_000);
  });
});
