// The checks of `doctor`. Each looks at one thing that a turn needs, and reports what it found and how to repair it.
// They change nothing, except that a missing data folder is created.
import { access, constants } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { loadAgentFolder, toolsOf } from '../agent/agent-folder.ts';
import { modelFinding, sandboxFinding, sandboxOf, toolServerFinding } from '../agent/findings.ts';
import { isLoopbackHost } from '../api/guard.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { type Finding, reach } from '../channels/finding.ts';
import { CHANNELS } from '../channels/index.ts';
import { withOwnChannels } from '../channels/own-channels.ts';
import { switches } from '../channels/settings.ts';
import { isHybridError } from '../core/errors.ts';
import { detectSandbox } from '../host/sandbox/index.ts';
import { accessKeyFile, readAccessKey } from '../local/access-key.ts';
import type { Configuration } from '../local/configuration.ts';
import { freeBytes } from '../local/data-folder.ts';
import { describeModel } from '../local/model-choice.ts';
import { openModelEndpoint } from '../local/model-endpoint.ts';
import { openStores } from '../local/stores.ts';
import { openVault } from '../local/vault.ts';
import { runningServer } from './running-server.ts';
import { bytesText } from './terminal.ts';

type Check = (configuration: Configuration) => Promise<Finding>;

const LITTLE_ROOM_BYTES = 2 * 1024 ** 3;

const OWN_CHECKS: readonly Check[] = [
  node,
  agentProgram,
  agentFolder,
  toolServers,
  sandbox,
  data,
  port,
  key,
  model,
];

export function checksFor({ channelModules }: Configuration): readonly Check[] {
  const channels = withOwnChannels(CHANNELS, channelModules);
  const withSettings = channels.filter(({ settings }) => Object.keys(settings).length > 0);
  return [...OWN_CHECKS, ...withSettings.map(channelCheck)];
}

async function node(): Promise<Finding> {
  const { node: version } = process.versions;
  if (Number.parseInt(version, 10) >= 24) return { name: 'node', status: 'ok', found: `Node ${version}` };
  return { name: 'node', status: 'fail', found: `Node ${version}`, mend: 'Install Node 24 or newer.' };
}

/** The Agent SDK runs a native program, which npm installs as an optional package for this kind of machine. */
async function agentProgram(): Promise<Finding> {
  const name = 'agent program';
  const sdk = createRequire(import.meta.url).resolve('@anthropic-ai/claude-agent-sdk');
  const require = createRequire(sdk);
  const file = process.platform === 'win32' ? 'claude.exe' : 'claude';
  for (const libc of ['', '-musl']) {
    try {
      const path = require.resolve(
        `@anthropic-ai/claude-agent-sdk-${process.platform}-${process.arch}${libc}/${file}`,
      );
      await access(path, constants.X_OK);
      return { name, status: 'ok', found: 'the Claude Agent SDK and its program are installed' };
    } catch {
      // This variant is not installed.
    }
  }
  return {
    name,
    status: 'fail',
    found: `the Agent SDK has no program for ${process.platform}-${process.arch} here`,
    mend: 'Install again without --omit=optional.',
  };
}

async function agentFolder({ agentDir, agentIsExample }: Configuration): Promise<Finding> {
  try {
    const { settings, skills, agents, mcpServers } = await loadAgentFolder(agentDir);
    const counts = [
      `tools ${toolsOf(settings).length}`,
      `skills ${skills.length}`,
      `subagents ${Object.keys(agents).length}`,
      `MCP servers ${Object.keys(mcpServers).length}`,
    ];
    if (agentIsExample) {
      const found = `the example, which may run commands (there is no ./agent here): ${counts.join(', ')}`;
      return { name: 'agent folder', status: 'warn', found, mend: 'Make one with `hybrid-sessions init`.' };
    }
    return { name: 'agent folder', status: 'ok', found: `${agentDir}: ${counts.join(', ')}` };
  } catch (error) {
    return failed('agent folder', error);
  }
}

async function toolServers({ agentDir, dataDir, vaultKey }: Configuration): Promise<Finding> {
  const name = 'tool servers';
  const folder = await loadAgentFolder(agentDir).catch(() => null);
  if (!folder) return { name, status: 'warn', found: 'not tried: the agent folder cannot be read' };
  try {
    return await toolServerFinding(folder, await sandboxOf(folder), openVault(dataDir, vaultKey));
  } catch (error) {
    return failed(name, error);
  }
}

async function sandbox({ agentDir }: Configuration): Promise<Finding> {
  const folder = await loadAgentFolder(agentDir).catch(() => null);
  return sandboxFinding(await detectSandbox(), folder?.settings);
}

async function data(configuration: Configuration): Promise<Finding> {
  try {
    const stores = await openStores(configuration, { create: true });
    await stores.close();
    const free = await freeBytes(configuration.dataDir);
    const found = `${configuration.dataDir}, ${bytesText(free)} free`;
    if (free >= LITTLE_ROOM_BYTES) return { name: 'data folder', status: 'ok', found };
    return {
      name: 'data folder',
      status: 'warn',
      found,
      mend: 'Free some space, or set HYBRID_SESSIONS_DIR.',
    };
  } catch (error) {
    return failed('data folder', error);
  }
}

async function port({ host, port: wanted }: Configuration): Promise<Finding> {
  const name = 'port';
  const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(wanted, host, () => server.close(() => resolve(null)));
  });
  if (error === null) return { name, status: 'ok', found: `${host}:${wanted} is free` };
  if (error.code !== 'EADDRINUSE') {
    const mend = 'Set HOST to an address of this machine and PORT to one above 1023.';
    return { name, status: 'fail', found: `${host}:${wanted}: ${error.message}`, mend };
  }
  return { name, ...(await runningServer(host, wanted)) };
}

async function key({ host, apiKeys, dataDir }: Configuration): Promise<Finding> {
  const name = 'access';
  if (!isLoopbackHost(host) && apiKeys.length === 0) {
    const mend = 'Set HYBRID_SESSIONS_API_KEY to at least 16 characters, or leave HOST out.';
    return { name, status: 'fail', found: `${host} lets other machines in, and there is no key`, mend };
  }
  const more = apiKeys.length > 0 ? `, and ${apiKeys.length} of the settings` : '';
  try {
    const made = (await readAccessKey(dataDir)) !== null;
    const own = made ? `the key in ${accessKeyFile(dataDir)}` : 'a key that the first start makes';
    return { name, status: 'ok', found: `with ${own}${more}` };
  } catch (error) {
    return failed(name, error);
  }
}

async function model({ model: choice }: Configuration): Promise<Finding> {
  const name = 'model';
  const found = describeModel(choice);
  if (choice.kind === 'demo') {
    return {
      name,
      status: 'warn',
      found,
      mend: 'Set ANTHROPIC_API_KEY (or the settings of Bedrock) for Claude.',
    };
  }
  if (choice.kind === 'anthropic') {
    const { endpoint } = await openModelEndpoint(choice);
    return await modelFinding({ ...endpoint, baseUrl: choice.baseUrl }, found);
  }
  const { endpoint } = await openModelEndpoint(choice);
  try {
    await endpoint.awsCredentials?.();
  } catch (error) {
    const mend = 'Sign in with the AWS command line, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret.';
    return { name, status: 'fail', found: `${found}; no AWS credentials: ${(error as Error).message}`, mend };
  }
  const url =
    choice.kind === 'bedrock' ? choice.variables.ANTHROPIC_BEDROCK_BASE_URL : (choice.baseUrl ?? undefined);
  if (url === undefined) return { name, status: 'ok', found };
  return {
    name,
    ...(await reach(found, url, 'Check the network, a proxy, and the address in the environment.')),
  };
}

function channelCheck(channel: ChannelDescriptor): Check {
  const { name } = channel;
  return async ({ channels }) => {
    const settings = channels[name];
    if (!settings) return { name, status: 'ok', found: `off (${switches(channel).join(', ')} is not set)` };
    return { name, ...((await channel.doctor?.(settings, reach)) ?? { status: 'ok', found: 'on' }) };
  };
}

export function failed(name: string, error: unknown): Finding {
  const found = error instanceof Error ? error.message : String(error);
  const mend = isHybridError(error) ? error.advice : undefined;
  return { name, status: 'fail', found, ...(mend !== undefined && { mend }) };
}
