// Hot sessions in an installation: the real runtime client, the real agent, the built functions. A worker whose last
// turn is the newest of its conversation reads nothing from S3 for the next one; every other worker, and every other
// conversation, begins as if nothing lay there.
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { sessionKeyOf, tenantOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import type { FunctionEnvironment } from '../../testing/lambda/function-environment.ts';
import type { Installation } from '../../testing/lambda/installation.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { snapshot } from '../state/fixture.ts';
import { startBuiltInstallation } from './built-installation.ts';
import { conversation, oneTurn, openStore } from './one-turn.ts';

const folder = mkdtempSync(join(tmpdir(), 'hybrid-hot-'));
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
const workers = new Map<string, FunctionEnvironment>();

beforeAll(async () => {
  if (unavailable) return console.warn(`Skipped: ${unavailable}`);
  for (const name of ['one', 'two']) workers.set(name, await installation.apart(name));
  const off = { [VARIABLES.keepSession]: 'false' };
  workers.set('forgetful', await installation.apart('forgetful', off));
});
afterAll(async () => {
  if (!unavailable) await installation.close();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

const temporaryOf = (worker: string) => join(folder, `tmp-${worker}`);

/** One message to one of the workers, and how many objects it read for it. */
async function turn(worker: string, chat: string, text: string) {
  onTestFailed(() => console.error(output.slice(-1_500)));
  const before = installation.s3.objectReads;
  const reply = await oneTurn(installation, workers.get(worker)!, chat, text);
  return { text: reply, reads: installation.s3.objectReads - before };
}

/** The conversation's head, laid out in a folder of its own. */
async function coldTree(chat: string): Promise<Record<string, string>> {
  const { s3 } = installation;
  const objects = createS3ObjectStore({
    ...localAws,
    endpoint: s3.endpoint,
    bucket: 'sessions',
    forcePathStyle: true,
  });
  const state = createSessionState({ objects, limits: { maxWorkspaceBytes: 1e9, maxWorkspaceFiles: 1e5 } });
  const sessionKey = sessionKeyOf(conversation(chat));
  const store = openStore(installation);
  const { session_id } = (await store.getMapping(sessionKey))!;
  const head = (await store.getHead(tenantOf(sessionKey), session_id))!;
  const directory = directoryIn(join(folder, `cold-${randomUUID()}`));
  for (const path of [directory.config, directory.workspace]) mkdirSync(path, { recursive: true });
  await state.restore(head, directory);
  return snapshot(directory);
}

const directoryIn = (root: string) => ({
  root,
  config: join(root, '.claude-code'),
  workspace: join(root, 'workspace'),
});

describe.skipIf(unavailable)('on a worker that ran the last turn', () => {
  test('the next one reads nothing from S3, knows everything, and leaves what a restore would lay out', async () => {
    const root = temporaryOf('one');
    const first = await turn(
      'one',
      'hot',
      'run: mkdir -p sub empty && cd sub && export MOOD=sunny && echo kept > note.txt && chmod 750 note.txt && ln -s note.txt link && echo done-1',
    );
    expect(first).toMatchObject({ reads: 0, text: expect.stringContaining('done-1') });
    const pid = workers.get('one')?.pid;
    expect(readdirSync(root).sort()).toEqual(['.claude-code', 'workspace']);
    expect(snapshot(directoryIn(root))).toEqual(await coldTree('hot'));

    const second = await turn(
      'one',
      'hot',
      'run: echo "mood=$MOOD"; basename "$PWD"; cat link; date > later',
    );
    expect(second).toMatchObject({ reads: 0, text: expect.stringMatching(/mood=sunny\s+sub\s+kept/) });
    expect(snapshot(directoryIn(root))).toEqual(await coldTree('hot'));

    const third = await turn('one', 'hot', 'what did I say?');
    expect(third).toMatchObject({ reads: 0, text: expect.stringMatching(/mood=/) });
    expect(workers.get('one')?.pid).toBe(pid);
    expect(snapshot(directoryIn(root))).toEqual(await coldTree('hot'));
  });

  test(`${promise('WHOLE')}: another chat in between sees nothing of the first, which then comes back from S3`, async () => {
    const root = temporaryOf('one');
    await turn('one', 'mine', 'run: echo my-secret > secret.txt; export HIDDEN=my-secret; echo put');
    const look = `run: ls -A; echo "found:$(grep -rl my-secret '${root}' --exclude-dir=projects | grep -v shell-snapshots)"; echo "env:$HIDDEN."`;
    const other = await turn('one', 'theirs', look);
    expect(other.reads).toBe(0);
    expect(other.text).toMatch(/found:\n?\s*env:\./);
    expect(other.text).not.toContain('secret.txt');

    const back = await turn('one', 'mine', 'run: cat secret.txt; echo "env:$HIDDEN."');
    expect(back.text).toMatch(/my-secret\s+env:my-secret\./);
    expect(back.reads).toBeGreaterThan(0);
    expect(snapshot(directoryIn(root))).toEqual(await coldTree('mine'));
  });

  test(`${promise('NO-AMNESIA')}: what another worker did meanwhile is known, and the old copy is not`, async () => {
    await turn('one', 'moving', 'run: echo first > said.txt; echo one');
    const there = await turn('two', 'moving', 'run: cat said.txt; echo second > said.txt');
    expect(there.text).toContain('first');
    expect(there.reads).toBeGreaterThan(0);
    const here = await turn('one', 'moving', 'run: cat said.txt; echo three');
    expect(here.text).toContain('second');
    expect(here.reads).toBeGreaterThan(0);
    const asked = model.requests.filter(({ path }) => !path.includes('count_tokens'));
    expect(JSON.stringify(asked.at(-1)?.body)).toContain('echo second > said.txt');
    expect((await turn('one', 'moving', 'run: cat said.txt')).reads).toBe(0);
  });

  test('a worker whose process ended restores', async () => {
    await turn('two', 'ended', 'run: echo kept > said.txt');
    await workers.get('two')?.kill();
    expect(readdirSync(temporaryOf('two'))).not.toEqual([]);
    const next = await turn('two', 'ended', 'run: cat said.txt');
    expect(next.text).toContain('kept');
    expect(next.reads).toBeGreaterThan(0);
  });

  test('with keepSession off the folder is empty after each turn, and every turn restores', async () => {
    await turn('forgetful', 'off', 'run: echo kept > said.txt');
    expect(readdirSync(temporaryOf('forgetful'))).toEqual([]);
    const next = await turn('forgetful', 'off', 'run: cat said.txt');
    expect(next.text).toContain('kept');
    expect(next.reads).toBeGreaterThan(0);
    expect(readdirSync(temporaryOf('forgetful'))).toEqual([]);
  });
});
