// A session always has a way on, through the real CLI and a model as strict as the real one: too long, refused, torn,
// a summary that failed. The turn recovers by itself where it can; where it cannot, what it proposes works.
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConversationNote } from '../../src/agent/conversation-note.ts';
import type { ModelRequest } from '../../src/agent/model-messages.ts';
import type { ModelReply } from '../../src/agent/model-reply.ts';
import type { ModelFault } from '../../src/agent/model-server.ts';
import { transcriptPath } from '../../src/agent/transcript-file.ts';
import { strict } from '../../testing/model/strict-rules.ts';
import { createFixture, type Fixture, obey, say } from './turn-fixture.ts';

const CONTEXT = 60_000;
let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.close());

const transcript = () => transcriptPath(fixture.directory.config, fixture.lease.sessionId);
const sent = () => JSON.stringify(fixture.model.requests.at(-1)?.body);
const isSummary = (request: ModelRequest) =>
  /create a detailed summary/.test(request.messages.at(-1)?.text ?? '');

/** Nine commands at once, each of whose results is long. */
const BATCH: ModelReply = {
  blocks: Array.from({ length: 9 }, (_, index) => ({
    type: 'tool_use' as const,
    name: 'Bash',
    input: { command: `yes w${index} | head -n 9000 | tr '\\n' ' '`, description: 'test' },
  })),
};

function respond(request: ModelRequest): ModelReply | ModelFault {
  if (isSummary(request)) return say('<analysis>a</analysis><summary>The colour is teal.</summary>');
  return request.messages.at(-1)?.text === 'batch' ? BATCH : obey(request);
}

describe('longer than the model can read', () => {
  test('by one batch of results: they are shortened, the turn ends well and says so, the next goes on', async () => {
    fixture.model.respondWith(strict(respond, { contextTokens: CONTEXT }));
    await fixture.turn('my colour is teal');
    const outcome = await fixture.turn('batch');
    expect(outcome.status).toBe('ok');
    expect(outcome.text).toMatch(/Shortened in it: the result of Bash: yes w0/);
    expect(outcome.text).toMatch(/is now a summary/);
    expect(sent()).toMatch(/w0 w0.*characters taken out: with it the conversation was longer/);
    const shown = fixture.events.filter((event) => event.type === 'tool' && event.state === 'done');
    expect(shown.map((event) => event.type === 'tool' && event.name)).toEqual(
      expect.arrayContaining(['Compaction', 'Mend']),
    );
    const next = await fixture.turn('and now?');
    expect(next).toMatchObject({ status: 'ok', text: expect.stringMatching(/^seen \d+$/) });
    expect(sent()).toContain('The colour is teal.');
  });

  test('by all that was said: a summary takes its place, and the reply says so', async () => {
    for (let turn = 0; turn < 5; turn++) await fixture.turn(`note ${turn} ${'word '.repeat(9_000)}`);
    fixture.model.respondWith(strict(respond, { contextTokens: CONTEXT }));
    const outcome = await fixture.turn('recall');
    expect(outcome).toMatchObject({ status: 'ok', text: expect.stringMatching(/^seen.*is now a summary/s) });
    expect(fixture.events).toContainEqual(expect.objectContaining({ name: 'Compaction', state: 'done' }));
  });

  test('and no summary can be had: long texts are shortened, and the conversation goes on', async () => {
    for (let turn = 0; turn < 5; turn++) await fixture.turn(`note ${turn} ${'word '.repeat(9_000)}`);
    const refusing = (request: ModelRequest) =>
      isSummary(request)
        ? { fault: 'status' as const, status: 400, message: 'no summaries' }
        : respond(request);
    fixture.model.respondWith(strict(refusing, { contextTokens: CONTEXT }));
    const outcome = await fixture.turn('recall');
    expect(outcome).toMatchObject({
      status: 'ok',
      text: expect.stringContaining('Shortened in it: an earlier'),
    });
    expect(fixture.events).toContainEqual(expect.objectContaining({ name: 'Compaction', state: 'failed' }));
    expect(sent()).toContain('note 3 word');
    expect((await fixture.turn('more')).text).toMatch(/^seen \d+$/);
  });

  test('whatever is done: the reply names the ways on, nothing is taken out, and they work', async () => {
    await fixture.turn('first');
    fixture.model.respondWith(strict(respond, { contextTokens: 10 }));
    const outcome = await fixture.turn('second');
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'agent-error' } });
    expect(outcome.failure?.message).toMatch(/\/new.*sessions repair/s);
    expect(await readFile(transcript(), 'utf8')).not.toContain('taken out');
    fixture.model.respondWith(strict(respond, { contextTokens: CONTEXT }));
    expect(await fixture.turn('/compact')).toMatchObject({
      status: 'ok',
      text: expect.stringMatching(/^Done\.\n\n/),
    });
    expect((await fixture.turn('third')).status).toBe('ok');
  });
});

describe('refused for what it holds', () => {
  const refuses = (word: string) => (request: ModelRequest) =>
    JSON.stringify(request.raw).includes(word)
      ? {
          fault: 'status' as const,
          status: 400,
          message: `messages.3: ${word.slice(0, 3)} is not acceptable`,
        }
      : respond(request);
  const echo = (text: string) =>
    `CALL ${JSON.stringify([{ name: 'Bash', input: { command: `printf '%s%s' ${text}`, description: 'x' } }])}`;

  test('a result of a tool: it is taken out with a note, named in the reply, and stays out', async () => {
    await fixture.turn('first');
    fixture.model.respondWith(refuses('poison'));
    const outcome = await fixture.turn(echo('poi son'));
    expect(outcome.status).toBe('ok');
    expect(outcome.text).toMatch(/Taken out of it: the result of Bash: printf/);
    expect(sent()).toMatch(/characters taken out: the model's server refused it \(.*poi is not acceptable/);
    expect((await fixture.turn('next')).text).toMatch(/^seen/);
  });

  test('a picture that is none: the turn ends well, and the next', async () => {
    const server = join(import.meta.dirname, '../../testing/tool-server/odd-server.mjs');
    const mcpServers = { odd: { command: process.execPath, args: [server] } };
    const settings = { ...fixture.folder.settings, tools: { allow: ['mcp__odd'] } };
    const runner = { folder: { ...fixture.folder, mcpServers, settings } };
    fixture.model.respondWith(strict(respond));
    const outcome = await fixture.turn('CALL [{"name":"mcp__odd__picture","input":{}}]', { runner });
    expect(outcome).toMatchObject({
      status: 'ok',
      text: expect.stringMatching(/Here it is:\n\[Image removed/),
    });
    expect((await fixture.turn('next', { runner })).text).toMatch(/^seen \d+$/);
  });

  test('a message of the person: told with ways on; the next message goes on without it', async () => {
    await fixture.turn('first');
    fixture.model.respondWith(refuses('poison'));
    const outcome = await fixture.turn('poison');
    expect(outcome.failure?.message).toMatch(/not acceptable.*\/new.*\/drop/s);
    const next = await fixture.turn('something else');
    expect(next).toMatchObject({ status: 'ok', text: expect.stringContaining('an earlier message') });
    expect(sent()).toContain('first');
  });

  test('/drop takes it out without asking the model', async () => {
    await fixture.turn('first');
    fixture.model.respondWith(refuses('poison'));
    await fixture.turn('poison');
    const asked = fixture.model.requests.length;
    expect((await fixture.turn('/drop')).text).toMatch(/^Taken out of this conversation: an earlier message/);
    expect(fixture.model.requests.length).toBe(asked);
    expect((await fixture.turn('next')).text).toMatch(/^seen \d+$/);
    expect((await fixture.turn('/drop')).text).toMatch(/nothing to take out/);
  });

  test('credentials, bills and models that do not exist take nothing out', async () => {
    await fixture.turn('first');
    for (const status of [401, 402, 403, 404]) {
      fixture.model.respondWith((request) =>
        request.messages.at(-1)?.toolResults.length ? { fault: 'status', status } : obey(request),
      );
      await fixture.turn(echo('hel lo'));
    }
    expect(await readFile(transcript(), 'utf8')).not.toContain('taken out');
  });
});

describe('a transcript', () => {
  const lines = async () => (await readFile(transcript(), 'utf8')).trimEnd().split('\n');
  const call = `CALL ${JSON.stringify([{ name: 'Bash', input: { command: 'echo hi', description: 'x' } }])}`;
  const torn: readonly [string, (lines: string[]) => string[]][] = [
    ['with bytes of nothing in its middle', (all) => all.toSpliced(-4, 0, '\0\0\0{"type')],
    ['whose result was not written', (all) => all.filter((line) => !line.includes('"type":"tool_result"'))],
    [
      'whose answer is lost',
      (all) =>
        all.toSpliced(
          all.findIndex((line) => line.includes('seen ')),
          1,
        ),
    ],
    [
      'that ends in the middle of a call',
      (all) =>
        all.slice(
          0,
          all.findIndex((line) => line.includes('"tool_result"')),
        ),
    ],
  ];
  test.each(torn)('%s is gone on with', async (_name, tear) => {
    fixture.model.respondWith(strict(respond));
    await fixture.turn('first');
    await fixture.turn(call);
    await writeFile(transcript(), `${tear(await lines()).join('\n')}\n`);
    await writeFile(join(fixture.directory.config, '.hybrid/conversation.json'), '{"begun":true,"bytes":0}');
    expect((await fixture.turn('next')).status).toBe('ok');
    expect(sent()).toContain('first');
  });

  test('in which nobody has said anything, as an import may bring it, begins a conversation', async () => {
    await mkdir(dirname(transcript()), { recursive: true });
    const entries = [
      { type: 'queue-operation', operation: 'enqueue' },
      { type: 'attachment', uuid: randomUUID(), parentUuid: null, isSidechain: false },
    ];
    await writeFile(transcript(), entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    expect(await fixture.turn('hello', { resume: true })).toMatchObject({ status: 'ok' });
    expect((await fixture.turn('again')).text).toMatch(/^seen [3-9]/);
    expect(await readConversationNote(fixture.directory.config)).toMatchObject({ begun: true });
  });

  test('that is a link is not followed', async () => {
    await fixture.turn('first');
    const outside = join(fixture.base, 'outside.jsonl');
    await writeFile(outside, 'not ours, and without an end of line');
    await fixture.turn('second');
    await rm(transcript());
    await symlink(outside, transcript());
    expect((await fixture.turn('third')).failure?.code).toBe('resume-lost');
    expect(await readFile(outside, 'utf8')).toBe('not ours, and without an end of line');
  });
});
