// Files of a reply on Slack: each in the conversation once, whatever answer is lost and whichever worker dies.
import { describe, expect, test } from 'vitest';
import { createSlackChannel } from '../../src/channels/slack/channel.ts';
import { fileKey, fileObjectOf, type StoredFile } from '../../src/core/attachments.ts';
import { Ambiguous, Refused } from '../../src/core/errors.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/object-store.ts';
import { createManualClock } from '../../testing/clock.ts';
import { ledgerOf } from '../../testing/contracts/channel-ledger.ts';
import type { FakeApp } from '../../testing/slack/fake-app.ts';
import { CHANNEL, startFixture, webhookOf } from './fixture.ts';

const TURN = `turn_${'a'.repeat(32)}` as never;
const keyOf = ({ object }: StoredFile) => fileKey('acme' as never, object);

async function ready(given: readonly (Partial<StoredFile> & { readonly body?: Buffer })[]) {
  const clock = createManualClock();
  const { app, api } = await startFixture({ clock });
  const objects = createMemoryObjectStore();
  const channel = createSlackChannel({ api, clock });
  const files: StoredFile[] = [];
  for (const [index, { body = Buffer.from(`file ${index}`), ...over }] of given.entries()) {
    const object = fileObjectOf(TURN, `out-1-${index}`);
    const file = { name: `${index}.txt`, mediaType: 'text/plain', bytes: body.length, object, ...over };
    await objects.put(keyOf(file), body);
    files.push(file);
  }
  const request = await asked(app);
  const line = ledgerOf(request);
  const attempt = () => {
    const context = line.attempt();
    return Object.assign(context, { readFile: (file: StoredFile) => objects.stream(keyOf(file)) });
  };
  const deliver = () => channel.deliver(attempt(), { text: 'Here they are.', outcome: 'ok', files });
  const own = () => app.channel(CHANNEL).messages.filter(({ user }) => user === app.botUserId);
  const seen = () =>
    own().map(({ text, files: shown }) =>
      [text, ...shown.map(({ name }) => name)].filter(Boolean).join(' | '),
    );
  /** As the core does, by another worker at every try. */
  const deliverToTheEnd = async () => {
    for (let tries = 0; tries < 5; tries++) {
      try {
        return await deliver();
      } catch (error) {
        if (!(error instanceof Refused || error instanceof Ambiguous)) throw error;
        if (error instanceof Refused) await clock.advance(error.retryAfterMs);
      }
    }
    throw new Error('It was never delivered.');
  };
  return { app, objects, files, deliver, deliverToTheEnd, seen, own, request };
}

/** Anna asks in a channel: files belong into the thread. */
async function asked(app: FakeApp): Promise<TurnRequest> {
  const turns: TurnRequest[] = [];
  const body = JSON.stringify(app.say(CHANNEL, `<@${app.botUserId}> send me files`).events[0]);
  const handler = webhookOf(app, async (request) => void turns.push(request));
  await handler(
    new Request('http://ingress.test/slack', { method: 'POST', body, headers: app.signed(body) }),
  );
  return turns[0]!;
}

describe('shown', () => {
  test('one file below the text, in the thread, with its caption and bytes', async () => {
    const { deliver, seen, own, request } = await ready([
      { name: 'Bericht.pdf', caption: 'for <!channel> & you' },
    ]);
    await deliver();
    expect(seen()).toEqual([
      'Here they are.',
      expect.stringMatching(/^for <.!channel> & you \| Bericht\.pdf$/),
    ]);
    expect(own()[1]?.files[0]?.bytes.toString()).toBe('file 0');
    expect(new Set(own().map(({ threadTs }) => threadTs))).toEqual(new Set([request.conversation.thread]));
  });

  test('several together in one message, with a caption each; a picture is described by its own', async () => {
    const { deliver, seen, own } = await ready([
      { name: 'a.png', mediaType: 'image/png', caption: 'A cat' },
      {},
      { caption: 'numbers' },
    ]);
    await deliver();
    expect(seen()).toEqual(['Here they are.', 'a.png: A cat\n2.txt: numbers | a.png | 1.txt | 2.txt']);
    expect(own()[1]?.files.map(({ altText }) => altText)).toEqual(['A cat', null, null]);
  });

  test('more than Slack takes together come in several messages', async () => {
    const { deliver, own } = await ready(Array.from({ length: 12 }, () => ({})));
    await deliver();
    expect(own().map(({ files }) => files.length)).toEqual([0, 10, 2]);
  });

  test('one that is not kept any more, and one that Slack refuses, are told; the others come', async () => {
    const { deliver, seen, objects, files } = await ready([{}, {}, { body: Buffer.alloc(0) }]);
    await objects.delete([keyOf(files[0]!)]);
    await deliver();
    await deliver();
    expect(seen()).toEqual([
      'Here they are.',
      '1.txt',
      expect.stringMatching(
        /0\.txt.*\nThis file is not kept any more[\s\S]*2\.txt.*\nSlack refuses this file/,
      ),
    ]);
  });

  test('an app that may not send files says what is missing', async () => {
    const { app, deliver, seen } = await ready([{}]);
    app.scopes.delete('files:write');
    await deliver();
    expect(seen()).toEqual(['Here they are.', expect.stringContaining('the scope files:write')]);
  });

  test('a conversation that takes none says so', async () => {
    const { app, deliver, seen } = await ready([{}]);
    const refusal = { kind: 'error', status: 200, description: 'posting_to_channel_denied' } as const;
    app.faults.add({ ...refusal, method: 'files.completeUploadExternal' });
    await deliver();
    expect(seen()).toEqual(['Here they are.', expect.stringMatching(/0\.txt.*\nSlack refuses this file/)]);
  });
});

describe(`${promise('ONCE-OUT')} in trouble`, () => {
  const FAULTS = [
    { kind: 'rate-limit', retryAfterSec: 7 },
    { kind: 'cut-before' },
    { kind: 'cut-after' },
    { kind: 'error', status: 503 },
  ] as const;
  test.each(FAULTS)('$kind at any call: in the end all stand once', async (fault) => {
    for (let after = 0; ; after++) {
      const { app, deliverToTheEnd, seen } = await ready([{}, {}]);
      app.faults.add({ ...fault, after });
      await deliverToTheEnd();
      const struck = app.faults.left === 0;
      const stands = seen().filter((text) => text !== '…');
      expect(stands, `${fault.kind} after ${after} calls`).toEqual(['Here they are.', '0.txt | 1.txt']);
      if (!struck) return expect(after).toBeGreaterThan(5);
    }
  });

  test('a lost answer is looked for at Slack, without the right to look as well', async () => {
    for (const scope of ['files:read', 'none']) {
      const { app, deliver, deliverToTheEnd, seen } = await ready([{}]);
      app.scopes.delete(scope);
      app.faults.add({ kind: 'cut-after', method: 'files.completeUploadExternal' });
      await deliverToTheEnd();
      await deliver();
      expect(seen()).toEqual(['Here they are.', '0.txt']);
    }
  });

  test('a token that is no good any more is no reason to say that files were refused', async () => {
    const { app, deliver, seen } = await ready([{}]);
    app.faults.add({
      ...{ kind: 'error', status: 200, description: 'token_revoked' },
      method: 'files.getUploadURLExternal',
    });
    await expect(deliver()).rejects.toMatchObject({ code: 'bad-token' });
    await deliver();
    expect(seen()).toEqual(['Here they are.', '0.txt']);
  });
});
