// The two systems that the conversation is had on: everything on one machine, and the functions of an installation with
// stand-ins for AWS. A restart ends every process that runs agents, and leaves what is stored.
import { rmSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFunctions } from '../../scripts/functions.mjs';
import { assembleTree } from '../../scripts/image.mjs';
import type { Responder } from '../../src/agent/model-server.ts';
import type { Unavailable } from '../aws/process.ts';
import { startInstallation } from '../lambda/installation.ts';
import { startLocalSystem, type TestSystem } from '../local-system.ts';
import { createScriptedModel } from '../model/scripted-model.ts';
import type { Platform, SystemAddress } from './person.ts';

export interface Wiring {
  readonly address: SystemAddress;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface WiringOptions {
  readonly respond: Responder;
  readonly platforms: readonly Platform[];
}

const SETTINGS = {
  // Nobody but the script writes here, and some of its people may not decide about everything.
  sandbox: 'off',
  tools: { allow: ['Bash', 'AskUserQuestion'], ask: ['Bash(mkdir *)'] },
};

async function openFolder(): Promise<{ folder: string; agentDir: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-channels-'));
  const end = () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  // Whatever way the program ends.
  process.once('exit', end);
  const agentDir = await mkdtemp(join(folder, 'agent-'));
  await writeFile(join(agentDir, 'system_prompt.md'), 'You talk with Ann.\n');
  await writeFile(join(agentDir, 'settings.json'), JSON.stringify(SETTINGS));
  return {
    folder,
    agentDir,
    async remove() {
      end();
      process.off('exit', end);
    },
  };
}

export async function startLocalWiring({ respond, platforms }: WiringOptions): Promise<Wiring> {
  const { folder, agentDir, remove } = await openFolder();
  const sections = platforms.flatMap(({ local }) => (local.section ? [local.section] : []));
  await writeFile(join(folder, 'hybrid-sessions.config.json'), JSON.stringify(Object.fromEntries(sections)));
  const env = Object.assign({}, ...platforms.map(({ local }) => local.env));
  const dataDir = join(folder, 'data');
  const start = () => startLocalSystem({ respond, agentDir, cwd: folder, dataDir, workers: 2, env });
  let system: TestSystem = await start();
  const wiring = {
    get address() {
      return { apiUrl: system.url, apiKey: system.key, ingressUrl: system.url };
    },
    async restart() {
      await system.close();
      system = await start();
    },
    async close() {
      await system.close();
      await remove();
    },
  };
  return wiring;
}

export async function startAwsWiring({ respond, platforms }: WiringOptions): Promise<Wiring | Unavailable> {
  const { folder, agentDir, remove } = await openFolder();
  const model = await createScriptedModel(respond);
  const end = async () => {
    await model.close();
    await remove();
  };
  try {
    const [functions, image] = [join(folder, 'functions'), join(folder, 'image')];
    await Promise.all([buildFunctions(functions), assembleTree(image, { agent: agentDir })]);
    const installation = await startInstallation({
      folder,
      functions,
      image,
      workers: 2,
      modelUrl: model.url,
      channels: platforms.flatMap(({ own }) => own ?? []),
    });
    if ('unavailable' in installation) {
      await end();
      return installation;
    }
    const { apiUrl, apiKey, ingressUrl, bot, workers, temporary } = installation;
    return {
      address: { apiUrl, apiKey, ingressUrl, telegramBot: bot },
      // Other execution environments, with nothing in their temporary folders.
      async restart() {
        for (const worker of workers) await worker.kill();
        for (const path of temporary) {
          for (const name of await readdir(path))
            await rm(join(path, name), { recursive: true, force: true });
        }
      },
      async close() {
        await installation.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}
