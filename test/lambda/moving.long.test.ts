// A session goes from one machine to AWS and back, by the real commands: the local system, the installation under the
// real runtime client, the real Agent SDK. And the commands do on AWS what they do on a data folder.
import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { type ModelMessage, parseModelRequest } from '../../src/agent/model-messages.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import type { Installation } from '../../testing/lambda/installation.ts';
import { type Answer, startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { run } from '../cli/fixture.ts';
import { thereAndBack } from '../cli/laptop-cli.ts';
import { programFolder, programsOf } from '../package/doc-program.ts';
import { startBuiltInstallation } from './built-installation.ts';

const folder = mkdtempSync(join(tmpdir(), 'hybrid-moving-'));
const model: ScriptedModel = await createScriptedModel(answerAsDemo);
let output = '';

const started = await startBuiltInstallation({
  folder,
  modelUrl: model.url,
  onOutput: (text) => {
    output += text;
  },
});
const unavailable = 'unavailable' in started ? started.unavailable : null;
const installation = started as Installation;
let local: TestSystem;

beforeAll(async () => {
  if (unavailable) console.warn(`Skipped: ${unavailable}`);
  else local = await startLocalSystem({ respond: answerAsDemo });
});
afterAll(async () => {
  await local?.close();
  if (!unavailable) await installation.close();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

async function sayOnAws(chat: string, text: string): Promise<Answer> {
  const response = await fetch(`${installation.apiUrl}/v1/chats/${chat}/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${installation.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ text }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}\n${output.slice(-2_000)}`);
  return (await response.json()) as Answer;
}

/** A command on the installation, named by the file or by the environment. */
async function onAws(args: readonly string[], env: Record<string, string> = {}) {
  const named = env.HYBRID_SESSIONS_AWS ? [] : ['--aws', installation.awsFile];
  return await run([...args, ...named], { cwd: folder, env: { ...installation.credentials, ...env } });
}

async function jsonOnAws(args: readonly string[]) {
  const { code, out, err } = await onAws([...args, '--json']);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${err}`);
  return JSON.parse(out);
}

/** What the worker's agent sent to its model last. */
function lastMessages(): readonly ModelMessage[] {
  const asked = model.requests.filter(({ path }) => !path.includes('count_tokens'));
  return parseModelRequest(asked.at(-1)?.body)?.messages ?? [];
}

const LOOK = 'run: echo "$MOOD at $PLACE in $PWD"; cat note.txt';

describe.skipIf(unavailable)('between one machine and AWS', () => {
  test('the program of docs/embed.md sends from outside and gets the answer', async () => {
    const program = programsOf('docs/embed.md', 'ts')[1] ?? '';
    const place = await programFolder();
    try {
      await copyFile(installation.awsFile, join(place.path, 'hybrid-sessions.aws.json'));
      const said = await place.run(program, { env: installation.credentials });
      expect(said).toMatch(/^ok [\s\S]*hello from AWS/);
    } finally {
      await place.remove();
    }
  });

  test(`${promise('WHOLE')}: a conversation goes to a person's computer, on with claude --resume, and back`, async () => {
    const laptop = { claude: join(folder, 'claude'), home: folder, modelUrl: model.url };
    await thereAndBack({
      laptop,
      say: (text) => sayOnAws('laptop', text),
      command: (args) => onAws(args, { CLAUDE_CONFIG_DIR: laptop.claude }),
    });
  });

  test(`${promise('WHOLE')}: a session begun by the local system goes on in the AWS store, and back here`, async () => {
    const first = await local.say(
      'trip',
      'run: mkdir -p sub && cd sub && export MOOD=sunny PLACE=$PWD && echo kept > note.txt && echo packed',
    );
    expect(first.reply).toMatchObject({ outcome: 'ok', text: expect.stringContaining('packed') });
    const before = await local.say('trip', LOOK);
    const [, place = ''] = /sunny at (\S+) in \1\s+kept/.exec(before.reply.text) ?? [];
    expect(place).toMatch(/\/workspace\/sub$/);

    const exported = await run(['sessions', 'export', 'trip', 'moved', '--data', local.dataDir], {
      cwd: folder,
    });
    expect(exported).toMatchObject({ code: 0 });
    const imported = await onAws(['sessions', 'import', 'moved']);
    expect(imported.out + imported.err).toBe(`Imported ${first.session_id} as http/trip.\n`);

    const there = await sayOnAws('trip', LOOK);
    expect(there).toMatchObject({ session_id: first.session_id, generation: before.generation + 1 });
    const workspace = join(installation.temporary[0] ?? '', 'workspace');
    const at = join(workspace, 'sub');
    expect(there.reply.text).toContain(`sunny at ${at} in ${at}\nkept`);

    // The model saw the whole conversation, and was told once that the paths in it are old.
    const notices = () =>
      lastMessages().flatMap(({ reminders }) =>
        reminders.filter((text) => text.includes('has moved to another place')),
      );
    const told = notices();
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(`what was below ${place.slice(0, -4)} is now below ${workspace}.`);
    expect(JSON.stringify(lastMessages())).toContain('mkdir -p sub');

    await installation.workers[0]?.kill();
    const next = await sayOnAws('trip', 'run: export MOOD=rainy; pwd; ls');
    expect(next.reply.text).toMatch(/sub\s+note\.txt/);
    expect(notices()).toEqual(told);

    // And home again, as a chat of another name.
    const back = await onAws(['sessions', 'export', 'trip', 'back']);
    expect([back.code, back.err]).toEqual([0, '']);
    await run(['sessions', 'erase', 'trip', '--yes', '--data', local.dataDir], { cwd: folder });
    const home = await run(['sessions', 'import', 'back', '--chat', 'home', '--data', local.dataDir], {
      cwd: folder,
    });
    expect([home.code, home.err]).toEqual([0, '']);
    const again = await local.say('home', LOOK);
    expect(again.session_id).toBe(first.session_id);
    expect(again.reply.text).toContain(`rainy at ${place} in ${place}\nkept`);
  });

  test('list, show, verify, repair and erase work on AWS as on a folder', async () => {
    const { session_id } = await sayOnAws('shelf', 'run: echo one > a.txt && echo written');
    const { sessions } = await jsonOnAws(['sessions', 'list']);
    expect(sessions).toContainEqual(
      expect.objectContaining({ chat: 'shelf', channel: 'http', session_id, generation: 1 }),
    );
    const byEnvironment = await onAws(['sessions', 'list'], { HYBRID_SESSIONS_AWS: installation.awsFile });
    expect(byEnvironment.out).toContain('http/shelf');
    expect(await jsonOnAws(['sessions', 'show', 'shelf'])).toMatchObject({
      session_id,
      current: true,
      turns: [{ status: 'delivered' }],
    });
    expect(await jsonOnAws(['sessions', 'verify', 'shelf'])).toMatchObject({
      damaged: 0,
      sessions: [{ session_id, readable: true, restorable: [1] }],
    });
    expect((await onAws(['sessions', 'repair', 'shelf'])).out).toContain('Nothing to repair.');
    const { left: counts, ...erased } = await jsonOnAws(['sessions', 'erase', 'shelf', '--yes']);
    expect(erased).toEqual({ erased: 'http/shelf', sessions: 1 });
    expect(new Set(Object.values(counts as object))).toEqual(new Set([0]));
    expect((await onAws(['sessions', 'show', 'shelf'])).code).toBe(4);
    const bucket = installation.s3.bucket('sessions');
    const left = bucket.list({ prefix: `default/${session_id}/`, after: '', max: 9, delimiter: '' });
    expect(left.contents).toEqual([]);
  });

  test('dead letters are listed, shown, replayed and dropped on AWS', async () => {
    const { sqs, queueUrls } = installation;
    const queue = createSqsTurnQueue({
      ...localAws,
      endpoint: sqs.endpoint,
      queueUrl: queueUrls.stranded,
      deadLetterQueueUrl: queueUrls.dead,
    });
    try {
      for (const [i, text] of ['run: echo second-chance', 'forget me'].entries()) {
        const conversation = {
          tenant: 'default',
          channel: 'http',
          bot: 'local',
          chat: `lost-${i}`,
          thread: null,
        };
        await queue.send(
          turnRequest({ conversation, dedupeId: `lost-${i}`, text, receivedAtMs: Date.now() }),
        );
      }
      // Their function gives both up, tells so, and sets them aside.
      let letters: { id: string; chat: string; turn_status: string }[] = [];
      await expect
        .poll(async () => {
          letters = (await jsonOnAws(['dlq', 'list'])).dead_letters;
          return letters.map(({ chat }) => chat).sort();
        })
        .toEqual(['http/lost-0', 'http/lost-1']);
      const [again, away] = ['http/lost-0', 'http/lost-1'].map(
        (chat) => letters.find((letter) => letter.chat === chat)?.id ?? '',
      );
      expect((await jsonOnAws(['dlq', 'show', away ?? ''])).text).toBe('forget me');
      expect((await onAws(['dlq', 'drop', away ?? ''])).code).toBe(0);
      expect(await jsonOnAws(['dlq', 'replay', again ?? ''])).toMatchObject({ how: 'asked-again' });
      await expect
        .poll(async () => (await onAws(['sessions', 'show', 'lost-0'])).out)
        .toContain('second-chance\n');
      expect((await jsonOnAws(['dlq', 'list'])).dead_letters).toEqual([]);
    } finally {
      await queue.close();
    }
  });

  test('a file that names no installation is told in one line', async () => {
    const absent = await run(['sessions', 'list', '--aws', 'absent.json'], { cwd: folder });
    expect([absent.code, absent.err.split('\n').length]).toEqual([3, 2]);
    expect(absent.err).toMatch(/^error: There is no file .*absent\.json\./);
    const both = await run(['sessions', 'list', '--aws', 'a.json', '--data', 'b'], { cwd: folder });
    expect([both.code, both.err]).toEqual([2, expect.stringContaining('Leave one out.')]);
  });
});
