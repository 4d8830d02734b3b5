// `start`: runs the local system until a signal ends it.
import { findMissingToolServers } from '../agent/findings.ts';
import { readConfiguration } from '../local/configuration.ts';
import { startSystem } from '../local/system.ts';
import { openVault } from '../local/vault.ts';
import { harmless } from '../text/harmless.ts';
import type { AgentOptions, CliContext } from './context.ts';
import { shownAddress } from './page-address.ts';

export interface StartOptions extends AgentOptions {
  readonly port?: number;
  readonly host?: string;
  readonly workers?: number;
}

/** How long a running turn may go on by itself before it is saved, for the next start to continue. */
const GRACE_MS = 2_000;

export async function start(context: CliContext, options: StartOptions): Promise<void> {
  const { env, cwd, terminal, version } = context;
  const { port, host, workers, data, agent } = options;
  const configuration = readConfiguration({
    env,
    cwd,
    overrides: {
      ...(port !== undefined && { port }),
      ...(host !== undefined && { host }),
      ...(workers !== undefined && { workers }),
      ...(data !== undefined && { dataDir: data }),
      ...(agent !== undefined && { agentDir: agent }),
    },
  });
  const ending = Promise.withResolvers<void>();
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // A second signal ends the program at once. The next start continues the running turns.
      if (++signals > 1) process.exit(130);
      ending.resolve();
    });
  }
  const system = await startSystem(configuration, { env });
  terminal.line(`${terminal.style('bold', 'hybrid-sessions')} ${version}`);
  terminal.line();
  const { interactive } = terminal;
  const { url, access } = shownAddress({ ...system, host: configuration.host, interactive });
  terminal.line(`  ${terminal.style(['bold', 'cyan'], url)}`);
  terminal.line();
  for (const [name, text] of [['access', access] as const, ...system.lines]) {
    const [first = '', ...more] = text.split('; ');
    terminal.line(`  ${terminal.style('dim', name.padEnd(9))}${first}`);
    for (const part of more) terminal.line(`  ${' '.repeat(9)}${part}`);
  }
  terminal.line();
  terminal.line(terminal.style('dim', 'Ctrl-C ends it. Nothing is lost: the next start goes on.'));
  const checking = new AbortController();
  const warned = findMissingToolServers(
    configuration.agentDir,
    openVault(configuration.dataDir, configuration.vaultKey),
    checking.signal,
  ).then(
    (missing) => missing.forEach((sentence) => void terminal.note(`! tool server ${harmless(sentence)}`)),
    (error: Error) => terminal.note(`! the tool servers could not be tried: ${harmless(error.message)}`),
  );
  await ending.promise;
  checking.abort();
  if (terminal.interactive) terminal.note('\nending…');
  await Promise.all([system.close(GRACE_MS), warned]);
}
