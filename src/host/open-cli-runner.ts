// The runner of a host: the agent folder as the worker named it, and the real CLI.
import { loadAgentFolder } from '../agent/agent-folder.ts';
import { type CliRunner, createCliRunner } from '../agent/runner.ts';
import type { Log } from '../core/log.ts';
import type { Boot, Ways } from './serve-host.ts';

export async function openCliRunner(boot: Boot, ways: Ways, log: Log): Promise<CliRunner> {
  const { sandbox, accepted, path, language } = boot;
  return createCliRunner({
    folder: await loadAgentFolder(boot.folder),
    sandbox:
      sandbox === 'none' ? { kind: 'none', reason: 'there is none here', accepted } : { kind: sandbox },
    log,
    network: ways.proxyEnvironment,
    ...(path === undefined ? {} : { path }),
    ...(language === undefined ? {} : { language }),
  });
}
