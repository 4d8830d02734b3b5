// A warm installation as on AWS, out of the built functions and stand-ins: somebody was just served by the same worker, and
// the secrets of the service are canaries. What Lambda itself is (a virtual machine for each environment, its network, its
// shares) is not here, so nothing is tried against it.
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { buildFunctions } from '../../scripts/functions.mjs';
import { assembleTree } from '../../scripts/image.mjs';
import { EXAMPLE_AGENT } from '../../src/package-root.ts';
import { localAws } from '../aws/dynamodb-local.ts';
import { startInstallation } from '../lambda/installation.ts';
import { createScriptedModel } from '../model/scripted-model.ts';
import { COUNTED, createAttackAgent, MODEL, VICTIM_WORDS } from './attack-agent.ts';
import type { AttackWorld, ToolCall } from './attack-case.ts';
import { bash, type Closing, canary, openSurroundings } from './surroundings.ts';

const VICTIM = 'victim';

interface Reply {
  readonly text: string;
  readonly usage?: { readonly input_tokens: number };
}

export async function openLambdaWorld(
  mode: 'isolated' | 'shared',
  folder: string,
  closing: Closing,
): Promise<AttackWorld> {
  const around = await openSurroundings(folder, closing);
  const agent = createAttackAgent();
  const model = await createScriptedModel(agent.respond);
  closing.push(() => model.close());
  const [functions, image, agentFolder] = ['functions', 'image', 'agent'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await cp(EXAMPLE_AGENT, agentFolder, { recursive: true });
  await rm(join(agentFolder, 'mcp.json'));
  const settings = JSON.parse(await readFile(join(agentFolder, 'settings.json'), 'utf8'));
  const allow = settings.tools.allow.filter((tool: string) => !tool.startsWith('mcp__'));
  await writeFile(
    join(agentFolder, 'settings.json'),
    JSON.stringify({ ...settings, model: MODEL, tools: { ...settings.tools, allow } }),
  );
  await Promise.all([buildFunctions(functions), assembleTree(image, { agent: agentFolder })]);
  await mkdir(join(folder, 'installation'));
  const installation = await startInstallation({
    folder: join(folder, 'installation'),
    ...{ functions, image, agents: mode, workers: 2, modelUrl: model.url },
    secrets: { modelKey: canary('modelkey'), botToken: `4242:${canary('bottoken')}` },
  });
  if ('unavailable' in installation) throw new Error(installation.unavailable);
  closing.push(() => installation.close());
  if (!installation.sandbox)
    throw new Error('Needs bubblewrap, which stands in for an environment of Lambda.');

  const call = async (path: string, body?: object) => {
    const response = await fetch(`${installation.apiUrl}${path}`, {
      headers: { authorization: `Bearer ${installation.apiKey}`, 'content-type': 'application/json' },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
    return await response.text();
  };
  const say = async (chat: string, text: string): Promise<Reply> => {
    const answer = JSON.parse(await call(`/v1/chats/${chat}/messages`, { text }));
    if (answer.reply === undefined) throw new Error(`The turn did not end: ${JSON.stringify(answer)}`);
    return answer.reply;
  };
  const turn = (chat: string, calls: readonly ToolCall[]) =>
    agent.run(calls, async (words) => ({ inputTokens: (await say(chat, words)).usage?.input_tokens ?? 0 }));

  const spoken = canary('chattext');
  await say(VICTIM, `${VICTIM_WORDS} ${spoken}`);
  await turn(VICTIM, [
    bash(`echo ${canary('victimfile')} > secret.txt; export SECRET=${canary('variable')}`),
  ]);
  agent.begin();
  const pids = () => installation.workers.map(({ pid }) => pid).join(' ');
  const workers = pids();

  return {
    ...{ mode, turn },
    prepare: around.prepare,
    damage: around.damage,
    say: async (chat, text) => (await say(chat, text)).text,
    variables: (id) => ({
      ...around.variables(id),
      COUNTED,
      MODEL,
      DATA: installation.temporary[0] ?? '',
      AGENT: '/var/task/agent',
      PACKAGE: '/var/task',
      TURNS: join(folder, 'installation', 'agent-hosts'),
      CWD_OUT: folder,
      WORKERS: pids(),
      API_PORT: new URL(installation.apiUrl).port,
      MODEL_PORT: String(model.port),
    }),
    calledAddresses: () => around.called,
    modelSaw: () => agent.bodies,
    askedDirectly: () => agent.direct,
    storedBytes: () => storedBytes(installation.s3.endpoint),
    isCounted: agent.isCounted,
    async harm() {
      if (pids() !== workers) return 'a worker died';
      const [file] = await turn(VICTIM, [bash('cat secret.txt; echo "$SECRET"')]);
      if (!/canary-victimfile.*\n.*canary-variable/.test(file?.text ?? ''))
        return `the victim's session is not what it was: ${file?.text}`;
      const chat = await call(`/v1/chats/${VICTIM}`);
      return chat.includes(spoken) ? null : "the victim's conversation is not what it was";
    },
  };
}

async function storedBytes(endpoint: string): Promise<number> {
  const client = new S3Client({ ...localAws, endpoint });
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'sessions' }));
  client.destroy();
  return Contents.reduce((sum, { Size = 0 }) => sum + Size, 0);
}
