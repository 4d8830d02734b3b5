// Opens a local system for a program. The program's settings override the environment, which overrides the
// configuration file, as for `start`.
import { Invalid } from '../core/errors.ts';
import { checksFor, type LocalSettings } from '../system/settings.ts';
import type { System } from '../system/system.ts';
import { type Configuration, readConfiguration } from './configuration.ts';
import { openLocalSystem } from './system.ts';

const KNOWN = [
  'agentDir',
  'dataDir',
  'workers',
  'model',
  'channelModules',
  'env',
  'cwd',
  'access',
  'page',
  'log',
];

export async function openLocal(settings: LocalSettings): Promise<System> {
  const unknown = Object.keys(settings).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) {
    throw new Invalid('bad-config', `openSystem: ${unknown}: no such setting.`, {
      advice: `There are: aws; or ${KNOWN.join(', ')}.`,
    });
  }
  const { env = process.env, access, page = false, log } = settings;
  const configuration = configurationOf(settings, env);
  if (configuration.agentIsExample) {
    throw new Invalid('no-agent', 'There is no agent folder ./agent here.', {
      advice: 'Set agentDir; `npx hybrid-sessions init` makes a folder to start from.',
    });
  }
  const given = access ?? (configuration.apiKeys.length > 0 ? { keys: configuration.apiKeys } : 'loopback');
  const {
    lines: _,
    workerPids: __,
    ...system
  } = await openLocalSystem(configuration, {
    env,
    page,
    ...checksFor(given),
    ...(log && { log }),
  });
  return system;
}

function configurationOf(settings: LocalSettings, env: NonNullable<LocalSettings['env']>): Configuration {
  const { agentDir, dataDir, workers, model, channelModules, cwd = process.cwd() } = settings;
  const { PORT: _, HOST: __, ...own } = env;
  return readConfiguration({
    env: { HYBRID_SESSIONS_LOG: 'warn', ...own, ...(model !== undefined && { ANTHROPIC_MODEL: model }) },
    cwd,
    overrides: {
      ...(agentDir !== undefined && { agentDir }),
      ...(dataDir !== undefined && { dataDir }),
      ...(workers !== undefined && { workers }),
      ...(channelModules !== undefined && { channelModules }),
    },
  });
}
