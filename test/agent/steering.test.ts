// What a person writes while a turn runs, through the real CLI: the model reads it at the next tool call or, when there is
// none any more, as the next prompt of the same turn; and it stands in the transcript once, however often it is offered.
import { readFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { messageUuid } from '../../src/agent/continuation.ts';
import type { ModelRequest } from '../../src/agent/model-messages.ts';
import { transcriptPath } from '../../src/agent/transcript-file.ts';
import type { TurnId } from '../../src/core/ids.ts';
import type { Steering, SteeringMessage } from '../../src/core/ports/execution.ts';
import { promise } from '../../src/core/promises.ts';
import { until } from '../waiting.ts';
import { bash, createFixture, type Fixture, obey, requestOf, say } from './turn-fixture.ts';

let fixture: Fixture;
afterEach(() => fixture.close());

const message: SteeringMessage = { turnId: 'turn_of_the_steer' as TurnId, text: 'use tabs, please' };

function steering() {
  let take: ((message: SteeringMessage) => void) | null = null;
  const taken: TurnId[] = [];
  const given: Steering = {
    listen(next) {
      take = next;
      return () => {
        take = null;
      };
    },
    took: (turnId) => void taken.push(turnId),
  };
  return { given, taken, write: (one: SteeringMessage) => take?.(one), isHeard: () => take !== null };
}

const transcript = () =>
  readFile(transcriptPath(fixture.directory.config, fixture.lease.sessionId), 'utf8').catch(() => '');

/** Entries of the conversation that hold the message. */
async function standing(turnId: TurnId): Promise<number> {
  const text = await transcript();
  const uuid = messageUuid(turnId);
  const entries = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  return entries.filter((entry) => entry.uuid === uuid || entry.attachment?.source_uuid === uuid).length;
}

const asks = (request: ModelRequest) => JSON.stringify(request.messages).includes(message.text);

test(`${promise('ONCE-IN')} while a tool runs: read by the model with its result`, async () => {
  fixture = await createFixture();
  const { given, taken, write } = steering();
  const outcome = await fixture.turn(bash('sleep 1; echo done'), {
    steering: given,
    onEvent: (event) => {
      if (event.type === 'tool' && event.state === 'started') write(message);
    },
  });
  expect(outcome).toMatchObject({ status: 'ok', text: 'done' });
  expect(taken).toEqual([message.turnId]);
  expect(await standing(message.turnId)).toBe(1);
  expect(JSON.stringify(fixture.model.requests.at(-1)?.body)).toContain(message.text);
});

test('when no tool call comes any more: answered next, in the same turn', async () => {
  fixture = await createFixture();
  const { given, taken, write, isHeard } = steering();
  let written = false;
  fixture.model.respondWith(async (request) => {
    if (asks(request)) return say('with tabs');
    if (!written) write(message);
    written = true;
    // The CLI reads its input while it waits for this answer, and writes down what it keeps for later.
    await until(async () => (await transcript()).includes(message.text), 'the message among what waits');
    return say('the first answer');
  });
  const outcome = await fixture.turn('begin', { steering: given });
  expect(outcome).toMatchObject({ status: 'ok', text: 'the first answer\n\nwith tabs' });
  expect(taken).toEqual([message.turnId]);
  expect(await standing(message.turnId)).toBe(1);
  expect(isHeard()).toBe(false);
});

test(`${promise('ONCE-IN')} a turn that goes on after a cut, and a turn of its own, do not say it again`, async () => {
  fixture = await createFixture();
  const { given, write } = steering();
  await fixture.turn(bash('sleep 1; echo done'), {
    id: 'cut',
    steering: given,
    onEvent: (event) => {
      if (event.type === 'tool' && event.state === 'started') write(message);
    },
  });
  const again = steering();
  const resumed = fixture.turn(bash('sleep 1'), {
    id: 'cut',
    continuing: true,
    steering: {
      ...again.given,
      listen(take) {
        take(message);
        return again.given.listen(take);
      },
    },
  });
  expect((await resumed).status).toBe('ok');
  expect(again.taken).toEqual([message.turnId]);
  expect(await standing(message.turnId)).toBe(1);
  // Its line was not closed: the queue brings it as a turn.
  const own = requestOf(message.text, 'own');
  const before = await standing(own.turnId);
  await fixture.turn(message.text, { id: 'own', kind: 'steer' });
  await fixture.turn(message.text, { id: 'own', kind: 'steer' });
  expect([before, await standing(own.turnId)]).toEqual([0, 1]);
});

test('one that was stopped takes nothing more', async () => {
  fixture = await createFixture();
  const { given, taken, write } = steering();
  const stop = new AbortController();
  const outcome = await fixture.turn(bash('sleep 20'), {
    steering: given,
    signal: stop.signal,
    onEvent: (event) => {
      if (event.type !== 'tool' || event.state !== 'started') return;
      stop.abort('stop');
      write(message);
    },
  });
  expect(outcome.status).toBe('stopped');
  expect(taken).toEqual([]);
  expect(await standing(message.turnId)).toBe(0);
});

test('a message that comes to nobody who listens is nobody’s', async () => {
  fixture = await createFixture();
  fixture.model.respondWith(obey);
  expect((await fixture.turn(bash('echo plain'))).text).toBe('plain');
});
