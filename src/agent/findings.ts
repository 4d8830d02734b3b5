// What `doctor` and `start` say about the parts that only the agent's own programs can try: tool servers and the model's
// credentials.

import type { Vault } from '../core/ports/vault.ts';
import { detectSandbox, type Sandbox } from '../host/sandbox/index.ts';
import { type AgentFolder, loadAgentFolder } from './agent-folder.ts';
import { checkModelAccess } from './check-model-access.ts';
import { checkToolServers } from './check-tool-servers.ts';
import type { ModelEndpoint } from './environment.ts';
import type { ToolServerState } from './tool-server-state.ts';

interface AgentFinding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly mend?: string;
}

export async function toolServerFinding(
  folder: AgentFolder,
  sandbox: Sandbox,
  vault?: Vault,
): Promise<AgentFinding> {
  const name = 'tool servers';
  const states = await checkToolServers({ folder, sandbox, ...(vault && { vault }) });
  if (states.length === 0) return { name, status: 'ok', found: 'none in mcp.json' };
  const missing = missingOf(states);
  if (missing.length > 0) {
    const mend = 'Try its command or URL of mcp.json by hand; turns go on without its tools until it starts.';
    return { name, status: 'fail', found: missing.join('; '), mend };
  }
  const found = states.map(
    (state) => `${state.name} (${state.tools} ${state.tools === 1 ? 'tool' : 'tools'})`,
  );
  return { name, status: 'ok', found: found.join(', ') };
}

/** A sentence for each server that does not start; none where `signal` ends the search. */
export async function findMissingToolServers(
  agentDir: string,
  vault: Vault,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const folder = await loadAgentFolder(agentDir);
    return missingOf(await checkToolServers({ folder, sandbox: await sandboxOf(folder), vault, signal }));
  } catch (error) {
    if (signal.aborted) return [];
    throw error;
  }
}

/** `settings`: of the agent folder, where it can be read. */
export function sandboxFinding(sandbox: Sandbox, settings?: AgentFolder['settings']): AgentFinding {
  const name = 'sandbox';
  if (settings?.sandbox === 'off') {
    const found = `off in settings.json (this machine has ${sandbox.kind === 'none' ? 'none' : sandbox.kind})`;
    const mend = 'Take "sandbox": "off" out; what the agent runs can change everything that this user may.';
    return { name, status: 'warn', found, mend };
  }
  if (sandbox.kind === 'seatbelt') {
    const mend = 'Run it on Linux or in a virtual machine if people you do not trust write to it.';
    return { name, status: 'warn', found: 'seatbelt, around shell commands only', mend };
  }
  if (sandbox.kind === 'none') {
    const mend =
      process.platform === 'linux'
        ? 'Install bubblewrap (Debian: apt install bubblewrap). Until then Bash and writing tools are refused, unless "sandbox": "off" stands in settings.json.'
        : 'Bash and writing tools are refused here, unless "sandbox": "off" stands in settings.json. Run it on Linux, in a container or a virtual machine.';
    return { name, status: 'warn', found: `none: ${sandbox.reason}`, mend };
  }
  if (!sandbox.ownNetwork && settings?.network !== 'open') {
    const mend = 'Set "network": "open" in settings.json, or let this machine make network namespaces.';
    return { name, status: 'fail', found: 'bubblewrap, but no network of its own: no turn can run', mend };
  }
  if (sandbox.prlimit === null) {
    const mend = 'Install util-linux: without its prlimit nothing bounds processes and memory of the agent.';
    return { name, status: 'warn', found: 'bubblewrap, without limits', mend };
  }
  return { name, status: 'ok', found: 'bubblewrap' };
}

/** As the turns of this folder have it. `found`: what this machine has, where that is known already. */
export async function sandboxOf({ settings }: AgentFolder, found?: Sandbox): Promise<Sandbox> {
  return settings.sandbox === 'off'
    ? { kind: 'none', reason: 'switched off', accepted: true }
    : (found ?? (await detectSandbox()));
}

const missingOf = (states: readonly ToolServerState[]): string[] =>
  states.filter(({ started }) => !started).map(({ name, reason }) => `${name} does not start: ${reason}`);

/** `found`: how the model is described. */
export async function modelFinding(
  model: ModelEndpoint & { readonly baseUrl: string },
  found: string,
): Promise<AgentFinding> {
  const name = 'model';
  const access = await checkModelAccess(model);
  const { host } = new URL(model.baseUrl);
  switch (access.kind) {
    case 'accepted':
      return { name, status: 'ok', found: `${found}; ${host} takes the key` };
    case 'refused': {
      const mend = 'Set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN) to one that is valid there.';
      return {
        name,
        status: 'fail',
        found: `${found}; the key was refused by ${host} (HTTP ${access.status})`,
        mend,
      };
    }
    case 'unknown': {
      const mend = 'Whether the key is right shows with the first turn.';
      return { name, status: 'warn', found: `${found}; ${host} answers with HTTP ${access.status}`, mend };
    }
    case 'unreachable': {
      const mend = 'Check the network, a proxy, and ANTHROPIC_BASE_URL.';
      return { name, status: 'fail', found: `${found}; ${host} does not answer (${access.reason})`, mend };
    }
  }
}
