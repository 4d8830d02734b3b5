// The real Agent SDK and CLI over our store: a second process, with an empty config directory, goes on from the store
// alone, subagent's transcript included; what the SDK lists and reads is what was said.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { lastPromptIndex, type ModelRequest } from '../../src/agent/model-messages.ts';
import { promise } from '../../src/core/promises.ts';
import { createAgentSessionStore } from '../../src/sdk-session-store/agent-session-store.ts';
import { createFilesystemObjectStore } from '../../src/stores/filesystem/object-store.ts';
import { createSqliteSessionStore } from '../../src/stores/sqlite/index.ts';
import { createScriptedModel, type ModelReply } from '../../testing/model/scripted-model.ts';

const run = promisify(execFile);

/** Calls the tool a message asks for, then repeats what it returned; else tells how many messages it was shown. */
function obey({ messages }: ModelRequest): ModelReply {
  const start = lastPromptIndex(messages);
  const prompt = messages[start]?.text ?? '';
  const results = messages.slice(start + 1).flatMap((message) => message.toolResults);
  const text = (said: string): ModelReply => ({ blocks: [{ type: 'text', text: said }] });
  if (!prompt.startsWith('CALL ')) return text(`shown ${messages.length}`);
  if (results.length > 0) return text(results.map((result) => result.text).join('\n'));
  return { blocks: [{ type: 'tool_use', ...JSON.parse(prompt.slice(5)) }] };
}

interface Outcome {
  readonly result: string;
  readonly faults: readonly unknown[];
  /** What the SDK asked the store for. */
  readonly loaded: readonly string[];
}

const call = (name: string, input: object): string => `CALL ${JSON.stringify({ name, input })}`;

test(`${promise('NO-AMNESIA')} process 2 resumes from the store only, with the subagent's transcript`, async () => {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'hs-agent-sdk-')));
  const model = await createScriptedModel(obey);
  const sessionId = randomUUID();
  const [folder, cwd] = [join(base, 'store'), join(base, 'work')];
  await Promise.all([mkdir(folder), mkdir(cwd)]);
  let processes = 0;
  async function elsewhere(prompt: string): Promise<Outcome> {
    const config = join(base, `config-${processes}`);
    await mkdir(config);
    const resume = processes++ > 0;
    const input = { folder, config, cwd, modelUrl: model.url, sessionId, resume, prompt };
    const program = join(import.meta.dirname, 'one-query.ts');
    const { stdout } = await run(process.execPath, [program, JSON.stringify(input)]);
    await rm(config, { recursive: true, force: true });
    return JSON.parse(stdout);
  }
  try {
    const bash = call('Bash', { command: 'echo from-the-subagent', description: 'test' });
    const first = await elsewhere(
      call('Agent', { subagent_type: 'helper', description: 'look', prompt: bash }),
    );
    expect(first).toMatchObject({ faults: [], result: expect.stringContaining('from-the-subagent') });
    const asked = model.requests.length;
    const second = await elsewhere('and now?');
    expect(second.faults).toEqual([]);
    expect(second.loaded).toEqual(['main', expect.stringMatching(/^subagents\/agent-/)]);
    const request = JSON.stringify(model.requests.slice(asked).map(({ body }) => body));
    expect(request).toContain('from-the-subagent');
    const third = await elsewhere('once more');
    expect(Number(third.result.split(' ')[1])).toBeGreaterThan(Number(second.result.split(' ')[1]));

    const store = createSqliteSessionStore({ database: join(folder, 'sessions.db') });
    const objects = createFilesystemObjectStore({ root: join(folder, 'packs') });
    const sessionStore = createAgentSessionStore({ store, objects });
    const key = { projectKey: 'project', sessionId };
    const subkeys = await sessionStore.listSubkeys(key);
    const agents = await Promise.all(subkeys.map((subpath) => sessionStore.load({ ...key, subpath })));
    expect(JSON.stringify(agents)).toContain('echo from-the-subagent');
    const uuids = (await sessionStore.load(key))!.flatMap((entry) => entry.uuid ?? []);
    expect(new Set(uuids).size).toBe(uuids.length);
    const [listed] = await sessionStore.listSessionSummaries('project');
    expect(listed?.sessionId).toBe(sessionId);
    expect(listed?.data.firstPrompt).toContain('CALL');
    await store.close();
  } finally {
    await model.close();
    await rm(base, { recursive: true, force: true });
  }
});
