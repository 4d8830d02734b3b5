// Every example of openapi.json, replayed against the server in the order in which a person would meet them: what is sent is
// what the document shows, and so is what comes back, but for times and the ids that are made at random.
import { afterAll, beforeAll, expect, test } from 'vitest';
import openapi from '../../openapi.json' with { type: 'json' };
import type { Trigger } from '../../src/triggers/trigger-file.ts';
import { createDeliverySender } from '../../src/webhooks/send-delivery.ts';
import { type ApiFixture, asksFor, createApiFixture, says } from './fixture.ts';

interface Media {
  example?: unknown;
}
interface Operation {
  operationId: string;
  /** What is put into the address and the head of the request. */
  'x-example'?: {
    path?: Record<string, string>;
    query?: Record<string, string>;
    headers?: Record<string, string>;
  };
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
}

const KEY = 'the-key-of-this-test';
const TRIGGER: Trigger = {
  ...{ name: 'new-issue', from: 'github', secrets: ['env:HOOK'] as never, events: ['issues'] },
  ...{ chat: 'issue-{issue.number}', text: 'Look into the issue.' },
};
const operations = new Map<string, Operation & { method: string; path: string }>();
for (const [path, methods] of Object.entries(
  openapi.paths as unknown as Record<string, Record<string, Operation>>,
)) {
  for (const [method, operation] of Object.entries(methods)) {
    operations.set(operation.operationId, { ...operation, method, path });
  }
}

/** In this order each finds what it needs. What a step of the story says that no example does is sent here. */
const STORY: readonly (string | { readonly say: string; readonly chat: string; readonly key: string })[] = [
  'addWebhook',
  'listWebhooks',
  'sendMessage',
  'listDeliveries',
  'replayDelivery',
  'changeWebhookSecret',
  'removeWebhook',
  'getTurn',
  'watchTurn',
  'getTimeline',
  'listChats',
  'getChat',
  'undo',
  'redo',
  'fork',
  'link',
  'unlink',
  'newSession',
  'stopTurn',
  { say: 'Publish the package', chat: 'release', key: 'publish-1' },
  'listQuestions',
  'answerQuestion',
  'listPermissions',
  'withdrawPermission',
  'triggerTurn',
  'eraseChat',
  'getInfo',
  'health',
  'metrics',
];
/** Times, sizes of time, and what is made at random. */
function masked(text: string): string {
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/(wh|msg|whsec)_[\w+/=]+/g, '$1_<random>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/("(?:\w+_ms|\w+_bytes)":)[\d.]+/g, '$1<number>');
}

let fixture: ApiFixture;
beforeAll(() => {
  fixture = createApiFixture({
    app: {
      apiKeys: [KEY],
      openapi,
      triggers: { list: [TRIGGER], secret: async () => 'the-secret-of-this-test' },
      metrics: { contentType: 'text/plain; version=0.0.4', text: async () => 'hybrid_sessions_workers 2\n' },
    },
  });
  fixture.agent = async (run) => {
    if (run.request.text === 'Publish the package') return await asksFor('npm publish')(run);
    run.progress({ type: 'text', text: 'The Pantheon' });
    return says('The Pantheon first, then the Forum.');
  };
});
afterAll(() => fixture.close());

/** Ids that are made at random, by those that the examples show in their place. */
const made = new Map<string, string>();

function remember(example: unknown, answer: string): void {
  const shown = JSON.stringify(example) ?? '';
  for (const kind of [/wh_[0-9a-f]{16}/, /msg_[0-9a-f]{32}/]) {
    const [inExample, inAnswer] = [kind.exec(shown)?.[0], kind.exec(answer)?.[0]];
    if (inExample && inAnswer) made.set(inExample, inAnswer);
  }
}

/** Sends what is due, to a program that takes everything. */
async function sendDue(): Promise<void> {
  const { webhooks, store, clock, log } = fixture.options;
  const taken = { atMs: clock.now(), tookMs: 80, status: 204, fault: null };
  const sender = createDeliverySender({ webhooks: webhooks!, store, post: async () => taken, clock, log });
  for (const delivery of await webhooks!.due!.list(clock.now(), 10, [])) {
    const claim = await sender.claim(delivery);
    if ('claimed' in claim) await sender.send(claim.claimed);
  }
}

async function answerTo(operation: Operation & { method: string; path: string }) {
  const { path: parts = {}, query = {}, headers = {} } = operation['x-example'] ?? {};
  const address = operation.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(made.get(parts[name] ?? '') ?? parts[name] ?? ''),
  );
  const search = new URLSearchParams(query);
  const body = operation.requestBody?.content['application/json']?.example;
  const ask = () =>
    fixture.call(operation.method.toUpperCase(), `${address}${search.size > 0 ? `?${search}` : ''}`, body, {
      authorization: `Bearer ${KEY}`,
      ...headers,
    });
  let answer = await ask();
  // What follows a reply (its timeline, the end of its lease) is there a moment later.
  for (const late of [404, 409]) {
    if (answer.status !== late || operation.method === 'post') continue;
    await expect
      .poll(async () => {
        answer = await ask();
        return answer.status;
      })
      .not.toBe(late);
  }
  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  return { status: String(answer.status), type, text: await answer.text() };
}

test.each(STORY.map((step) => [typeof step === 'string' ? step : step.say, step] as const))(
  '%s',
  async (_, step) => {
    if (typeof step === 'object') {
      const headers = { authorization: `Bearer ${KEY}`, 'idempotency-key': step.key };
      const { status } = await fixture.call(
        'POST',
        `/v1/chats/${step.chat}/messages`,
        { text: step.say },
        headers,
      );
      return expect(status).toBe(200);
    }
    const operation = operations.get(step)!;
    if (step === 'listDeliveries') await sendDue();
    const { status, type, text } = await answerTo(operation);
    const described = operation.responses[status];
    expect(described, `${step} answered ${status}: ${text}`).toBeDefined();
    expect(Number(status)).toBeLessThan(300);
    if (text === '') return expect(described?.content).toBeUndefined();
    const example = described?.content?.[type]?.example;
    remember(example, text);
    const shown = type.endsWith('json') ? JSON.stringify(example) : String(example);
    expect(masked(text)).toBe(masked(shown));
  },
);

test('every example of the document is replayed', () => {
  const told = STORY.filter((step) => typeof step === 'string');
  const shown = [...operations.values()].filter((operation) =>
    JSON.stringify(operation).includes('example":'),
  );
  expect(shown.map(({ operationId }) => operationId).filter((id) => !told.includes(id))).toEqual([]);
});
