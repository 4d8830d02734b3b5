// A conversation goes to a person's computer and comes back, by the real commands and with the real CLI there.
import { mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { projectName } from '../../src/cli/laptop-places.ts';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { run } from './fixture.ts';
import { claude, type LaptopCli, thereAndBack } from './laptop-cli.ts';

let folder: string;
let system: TestSystem;
let model: ScriptedModel;
let laptop: LaptopCli;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-away-')));
  system = await startLocalSystem({ respond: answerAsDemo });
  model = await createScriptedModel(answerAsDemo);
  laptop = { claude: join(folder, 'claude'), home: folder, modelUrl: model.url };
});
afterAll(async () => {
  await system.close();
  await model.close();
  await rm(folder, { recursive: true, force: true });
});

test(`${promise('WHOLE')} a turn in the chat, one with claude --resume, one in the chat that knows both`, async () => {
  const env = { CLAUDE_CONFIG_DIR: laptop.claude, HYBRID_SESSIONS_DIR: system.dataDir };
  const { id, at, say } = await thereAndBack({
    laptop,
    say: (text) => system.say('trip', text),
    command: (args) => run(args, { cwd: folder, env }),
  });
  expect(at).toBe(join(folder, 'my trip'));
  expect((await say('/undo 3')).text).toContain('what was done on a computer');
  expect((await say('what do you remember?')).text).not.toContain('two eggs');
  expect(await readdir(join(laptop.claude, 'projects', projectName(at)))).toContain(`${id}.jsonl`);
  expect((await readFile(join(at, 'laptop.md'), 'utf8')).trim()).toBe('two eggs');
});

test.each(['a b.c_ü/x-1', `${'long'.repeat(30)}/${'name'.repeat(30)}`])(
  'the folder of transcripts is named as the CLI names it: %s',
  async (name) => {
    const at = join(folder, 'named', name);
    await mkdir(at, { recursive: true });
    const fresh = { ...laptop, claude: join(folder, `named-${name.length}`) };
    expect(await claude(fresh, at, ['hello'])).toMatchObject({ code: 0 });
    expect(await readdir(join(fresh.claude, 'projects'))).toEqual([projectName(at)]);
  },
);
