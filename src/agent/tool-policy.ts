// The tool policy, in one place: what the folder allows runs, everything else is refused with a sentence the model
// understands. File tools stay inside the working directory, links resolved. A command that Bash runs is bounded by
// the sandbox, not by this check: `describePolicy` says which one there is.
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { NetworkSetting } from '../host/sandbox/network-setting.ts';
import type { Sandbox } from '../host/sandbox/sandbox.ts';
import { isAllowed } from '../tool-servers/tool-rules.ts';
import { type AgentFolder, toolsOf } from './agent-folder.ts';
import type { CliSandbox } from './cli-sandbox.ts';
import type { ToolCall } from './tool-call.ts';

export interface PolicyPlaces {
  /** The working directory: read and write. */
  readonly workspace: string;
  /** Read only, e.g. the skills. */
  readonly readable: readonly string[];
  /** Read and write besides the working directory, e.g. the memory. */
  readonly writable: readonly string[];
}

/** They run programs or change files: without a wall they reach whatever our user may. */
const NEED_WALL = ['Bash', 'Write', 'Edit', 'NotebookEdit'];

/** Tools that run here only when people allow it, and why: there is no sandbox and nobody has said that it goes without. */
export function withheldTools(
  { settings }: AgentFolder,
  sandbox: Sandbox | CliSandbox,
): { readonly tools: readonly string[]; readonly reason: string } {
  if (sandbox.kind !== 'none' || sandbox.accepted || settings.sandbox === 'off')
    return { tools: [], reason: '' };
  return {
    tools: toolsOf(settings).filter((tool) => NEED_WALL.includes(tool)),
    reason: `there is no sandbox here (${sandbox.reason}), so it could change everything on this machine that its user may. Whoever runs it can install bubblewrap, or allow this by "sandbox": "off" in the agent folder's settings.json.`,
  };
}

export type Verdict = { readonly allow: true } | { readonly allow: false; readonly reason: string };

/** Where a file tool keeps its path, and whether it writes. */
const FILE_TOOLS: Readonly<Record<string, { readonly field: string; readonly writes: boolean }>> = {
  Read: { field: 'file_path', writes: false },
  Write: { field: 'file_path', writes: true },
  Edit: { field: 'file_path', writes: true },
  NotebookEdit: { field: 'notebook_path', writes: true },
  Glob: { field: 'path', writes: false },
  Grep: { field: 'path', writes: false },
};

export async function judgeToolCall(
  call: ToolCall,
  allowed: readonly string[],
  places: PolicyPlaces,
  withheld: ReturnType<typeof withheldTools> = { tools: [], reason: '' },
  denied: readonly string[] = [],
): Promise<Verdict> {
  const tool = call.tool === 'Task' ? 'Agent' : call.tool;
  if (withheld.tools.includes(tool)) {
    return { allow: false, reason: `${tool} is refused: ${withheld.reason}` };
  }
  if (isAllowed(tool, denied)) {
    return { allow: false, reason: `The tool ${tool} is not allowed for this bot.` };
  }
  if (!isAllowed(tool, allowed)) {
    const list = allowed.length === 0 ? 'none' : allowed.join(', ');
    return {
      allow: false,
      reason: `The tool ${tool} is not allowed for this agent. Allowed tools: ${list}.`,
    };
  }
  const rule = FILE_TOOLS[tool];
  if (!rule) return { allow: true };
  const input = (typeof call.input === 'object' && call.input !== null ? call.input : {}) as Record<
    string,
    unknown
  >;
  const named = input[rule.field];
  const path = resolve(call.cwd, typeof named === 'string' && named !== '' ? named : '.');
  const roots = [places.workspace, ...places.writable, ...(rule.writes ? [] : places.readable)];
  if (!(await liesIn(path, roots))) return outside(tool, path, places.workspace);
  const pattern = tool === 'Glob' && typeof input.pattern === 'string' ? input.pattern : '';
  if (
    pattern.split(/[\\/]/).includes('..') ||
    (isAbsolute(pattern) && !(await liesIn(fixedPart(pattern), roots)))
  ) {
    return outside(tool, pattern, places.workspace);
  }
  return { allow: true };
}

function outside(tool: string, path: string, workspace: string): Verdict {
  return {
    allow: false,
    reason: `${tool} may not touch "${path}": it lies outside the working directory ${workspace}. Use a path inside it.`,
  };
}

/** The folders of a glob pattern before its first wildcard. */
function fixedPart(pattern: string): string {
  const wildcard = pattern.search(/[*?[{]/);
  return dirname(wildcard === -1 ? `${pattern}/x` : `${pattern.slice(0, wildcard)}x`);
}

async function liesIn(path: string, roots: readonly string[]): Promise<boolean> {
  const real = await realPathOf(path);
  for (const root of roots) {
    const base = await realPathOf(root);
    if (real === base || real.startsWith(base + sep)) return true;
  }
  return false;
}

/** The real path of something that need not exist yet: links of the part that does are resolved. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const parent = dirname(path);
    if (parent === path) return path;
    return join(await realPathOf(parent), relative(parent, path));
  }
}

/** What people on the page should know about this machine; null where there is nothing to tell. */
export function sandboxNotice(folder: AgentFolder, sandbox: Sandbox | CliSandbox): string | null {
  const isOff = folder.settings.sandbox === 'off';
  if (sandbox.kind === 'seatbelt' && !isOff) {
    return 'Only shell commands run in a sandbox here. Other tools reach what the user of this server may reach.';
  }
  if (sandbox.kind !== 'none' && !isOff) return null;
  const withheld = withheldTools(folder, sandbox).tools;
  if (withheld.length === 0) {
    return toolsOf(folder.settings).length === 0
      ? null
      : 'There is no sandbox: what the agent runs can read and change everything that the user of this server may.';
  }
  return `There is no sandbox on this machine, so each call of ${withheld.join(', ')} waits for ${whoAllows(folder)}. Whoever runs this server can install bubblewrap, or allow it by "sandbox": "off" in the agent folder's settings.json.`;
}

/** See `withoutWall` in asking-policy.ts. */
function whoAllows({ settings }: AgentFolder): string {
  return settings.approvals.approvers === undefined
    ? 'your permission, and is refused in chats of other channels'
    : 'the permission of those whom approvals.approvers names';
}

/** One line for the operator: what the agent may do, and what keeps it in. */
export function describePolicy(folder: AgentFolder, sandbox: Sandbox | CliSandbox): string {
  const { allow, ask = [] } = folder.settings.tools;
  const tools = allow.length === 0 ? 'no tools' : allow.join(', ');
  const asked = ask.length === 0 ? '' : `; people decide about ${ask.join(', ')}`;
  const files = 'file tools only inside the working directory';
  return `Tools: ${tools}${asked}; ${files}; ${describeSandbox(folder, sandbox)}.`;
}

function describeSandbox(folder: AgentFolder, sandbox: Sandbox | CliSandbox): string {
  if (folder.settings.sandbox === 'off') return 'sandbox off: commands can read what this user can read';
  if (sandbox.kind === 'bubblewrap' || sandbox.kind === 'host') {
    return `bubblewrap sandbox: sees system files and its own turn's directory, ${describeNetwork(folder.settings.network)}`;
  }
  if (sandbox.kind === 'seatbelt') return "the SDK's sandbox around shell commands (seatbelt)";
  const withheld = withheldTools(folder, sandbox).tools;
  if (withheld.length === 0) {
    return `no sandbox (${sandbox.reason}): commands can read what this user can read`;
  }
  return `no sandbox (${sandbox.reason}): ${withheld.join(', ')} ask first, or are refused where nobody may allow them; "sandbox": "off" in settings.json allows them`;
}

function describeNetwork(network: NetworkSetting): string {
  if (network === 'open') return 'shares the network, this machine and its neighbours included';
  if (network === 'none') return 'no network';
  const { length } = network.allow;
  return `network: ${network.allow.filter((_, at) => at < HOSTS_SHOWN).join(', ')}${length > HOSTS_SHOWN ? ` and ${length - HOSTS_SHOWN} more` : ''}`;
}

const HOSTS_SHOWN = 5;
