// The SDK's options for one turn, in one place: what is loaded, what may run, where it runs.
import { stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { HookCallback, McpServerConfig, Options, Settings } from '@anthropic-ai/claude-agent-sdk';
import type { AgentRun } from '../core/ports/execution.ts';
import { toolServerPath } from '../gateway/tool-server-path.ts';
import { isAllowed } from '../tool-servers/tool-rules.ts';
import { type AgentFolder, toolsOf } from './agent-folder.ts';
import { mustAsk, parseAskRule } from './ask-rules.ts';
import { ASK_TOOL } from './asked-words.ts';
import type { Asking, AskingCall, AskVerdict } from './asking-policy.ts';
import type { CliSandbox } from './cli-sandbox.ts';
import { gatewayOf, type ModelEndpoint, PROJECT_DIRECTORY } from './environment.ts';
import { ownServer, ownTools } from './own-server.ts';
import { type Relocation, relocationNotice } from './relocation.ts';
import { SCHEDULE_SERVER, SCHEDULE_TOOL, scheduleServer } from './schedule-tool.ts';
import { type LaidConfiguration, PLUGIN } from './static-config.ts';
import { judgeToolCall, type PolicyPlaces, withheldTools } from './tool-policy.ts';
import type { TranscriptMark } from './transcript.ts';
import { agentSessionOf } from './transcript-file.ts';

export interface QueryContext {
  readonly run: Pick<AgentRun, 'directory' | 'sessionId' | 'agentSessionId' | 'scheduling'>;
  readonly asking: Asking;
  readonly mark: TranscriptMark | null;
  /** The session woke under other paths than it had. */
  readonly relocation: Relocation | null;
  readonly folder: AgentFolder;
  readonly model: ModelEndpoint;
  readonly sandbox: CliSandbox;
  readonly environment: Readonly<Record<string, string>>;
  readonly laid: LaidConfiguration;
  readonly spawn: NonNullable<Options['spawnClaudeCodeProcess']>;
}

export async function queryOptions(context: QueryContext): Promise<Options> {
  const { run, folder } = context;
  const { directory } = run;
  const { settings } = folder;
  const allowed = toolsOf(settings);
  // A resumed conversation would go on with the model that it had, whether this agent still may call it or not.
  const model = settings.model ?? context.model.model ?? (context.mark ? 'default' : undefined);
  const skills = allowed.includes('Skill') ? folder.skills.map((skill) => `${PLUGIN}:${skill.name}`) : [];
  const cwd = await startDirectory(context);
  const gate = policyGate(context, placesOf(context), cwd);
  return {
    ...(context.mark ? { resume: agentSessionOf(run) } : { sessionId: agentSessionOf(run) }),
    cwd,
    additionalDirectories: [directory.workspace],
    env: { ...context.environment },
    spawnClaudeCodeProcess: context.spawn,
    // Not recorded in the session: a changed system_prompt.md holds from the next turn on.
    systemPrompt: { type: 'custom', prompt: systemPrompt(context), snapshot: false },
    ...(model === undefined ? {} : { model }),
    ...(settings.maxTurns === undefined ? {} : { maxTurns: settings.maxTurns }),
    // Nothing from disk but what is named here (see static-config.ts).
    settingSources: [],
    settings: claudeSettings(folder, context.sandbox),
    plugins: [{ type: 'local', path: context.laid.agent, skipMcpDiscovery: true }],
    skills,
    agents: Object.fromEntries(
      Object.entries(folder.agents).map(([name, agent]) => [
        name,
        { ...agent, ...(agent.tools ? { tools: [...agent.tools] } : {}) },
      ]),
    ) as NonNullable<Options['agents']>,
    mcpServers: {
      ...ownServer(folder, directory),
      ...(Object.fromEntries(
        Object.entries(folder.mcpServers).map(([name, server]) => [
          name,
          {
            ...('url' in server ? throughGateway(name, server.type, context.model) : server),
            alwaysLoad: true,
          },
        ]),
      ) as Record<string, McpServerConfig>),
      ...(mayWake(context) && { [SCHEDULE_SERVER]: scheduleServer(directory.config) }),
    },
    strictMcpConfig: true,
    mcpServersDelivery: 'initialize',
    tools: allowed.filter((tool) => !tool.startsWith('mcp__')),
    permissionMode: 'default',
    ...gate,
    hooks: { ...gate.hooks, ...noticeOf(context) },
    includePartialMessages: true,
    enableFileCheckpointing: true,
  };
}

/** The agent may schedule: where somebody fires what is due, and its folder says nothing else. */
function mayWake({ run, folder }: Pick<QueryContext, 'run' | 'folder'>): boolean {
  return run.scheduling !== undefined && folder.settings.schedules === 'on';
}

/** The worker's side knows the URL and adds what the server wants to see; here is the turn's token for that side. */
function throughGateway(name: string, type: 'http' | 'sse', model: ModelEndpoint) {
  const { baseUrl = '', token = '' } = gatewayOf(model);
  const url = baseUrl.replace(/\/+$/, '') + toolServerPath(name);
  return { type, url, headers: { authorization: `Bearer ${token}` } };
}

/** The folder's own words, and where the memory is: the CLI shows the file at every start but not its place. */
function systemPrompt({ run, folder }: QueryContext): string {
  if (!toolsOf(folder.settings).includes('Write')) return folder.systemPrompt;
  const file = join(memoryFolder(run), 'MEMORY.md');
  return `${folder.systemPrompt}

# Memory

What is in \`${file}\` is shown to you in every message of this chat, also when older messages no longer are. Write down
there, briefly, what you are asked to remember and what will matter later.`;
}

const projectFolder = (run: QueryContext['run']): string =>
  join(run.directory.config, 'projects', PROJECT_DIRECTORY);
const memoryFolder = (run: QueryContext['run']): string => join(projectFolder(run), 'memory');

function claudeSettings(folder: AgentFolder, sandbox: CliSandbox): Settings {
  return {
    attribution: { commit: '', pr: '' },
    // Sessions live as long as their own retention says, not as long as the CLI's clean-up would have it.
    cleanupPeriodDays: 36_500,
    autoMemoryEnabled: true,
    ...(folder.settings.claude as Settings | undefined),
    ...(sandbox.kind === 'seatbelt'
      ? { sandbox: { enabled: true, autoAllowBashIfSandboxed: true, allowUnsandboxedCommands: false } }
      : {}),
  };
}

/** Where the shell stood when the last turn ended, if it still exists inside the working directory. */
async function startDirectory({ run, mark, relocation }: QueryContext): Promise<string> {
  const { workspace } = run.directory;
  const last = mark?.cwd && relocation ? relocation.here(mark.cwd) : mark?.cwd;
  if (!last || relative(workspace, last).startsWith('..')) return workspace;
  const there = await stat(last).catch(() => null);
  return there?.isDirectory() ? last : workspace;
}

/** Beside the message, not in it, and kept in the conversation: the old paths stay in there, too. */
function noticeOf({ mark, relocation }: QueryContext): NonNullable<Options['hooks']> {
  if (!mark || !relocation) return {};
  const additionalContext = relocationNotice(relocation);
  const hook: HookCallback = async () => ({
    hookSpecificOutput: { hookEventName: 'UserPromptSubmit', additionalContext },
  });
  return { UserPromptSubmit: [{ hooks: [hook] }] };
}

function placesOf({ run, laid }: QueryContext): PolicyPlaces {
  const { directory } = run;
  return {
    workspace: directory.workspace,
    writable: [join(directory.root, 'tmp'), memoryFolder(run)],
    // Long tool results are kept beside the transcript, and the model is told to read them there.
    readable: [laid.agent, join(projectFolder(run), agentSessionOf(run))],
  };
}

/**
 * The hook judges every call of the agent and its subagents. Where the CLI would still ask a person (it has doubts
 * of its own about some commands), the verdict already given for that call answers; without one it is no.
 */
function policyGate(
  { run, folder, sandbox, asking }: QueryContext,
  places: PolicyPlaces,
  cwd: string,
): Required<Pick<Options, 'hooks' | 'canUseTool'>> {
  const own = ownTools(folder);
  const allowed = [...toolsOf(folder.settings), ...own];
  const withheld = withheldTools(folder, sandbox);
  const rules = (folder.settings.tools.ask ?? []).flatMap((rule) => parseAskRule(rule) ?? []);

  async function judge(call: AskingCall): Promise<AskVerdict> {
    if (call.tool === SCHEDULE_TOOL && mayWake({ run, folder })) {
      return asking.judge(call, mustAsk(rules, call, places.workspace)) ?? { allow: true };
    }
    const refused = asking.withoutWall ? undefined : withheld;
    const verdict = await judgeToolCall(call, allowed, places, refused, folder.denied);
    if (!verdict.allow) return verdict;
    const tool = call.tool === 'Task' ? 'Agent' : call.tool;
    const isAsked =
      withheld.tools.includes(tool) || tool === ASK_TOOL || mustAsk(rules, call, places.workspace);
    const isFree = own.includes(tool) || isAllowed(tool, folder.settings.tools.allow);
    if (!isAsked && !isFree) {
      return { allow: false, reason: `This call of ${tool} is not allowed for this agent.` };
    }
    return asking.judge(call, isAsked) ?? verdict;
  }

  /** By call, once: whichever of the two ways the CLI takes first, the other one finds the same. */
  const verdicts = new Map<string, Promise<AskVerdict>>();
  const verdictOn = (call: AskingCall): Promise<AskVerdict> => {
    const verdict =
      verdicts.get(call.id) ??
      judge(call).catch((): AskVerdict => ({ allow: false, reason: 'The path could not be checked.' }));
    verdicts.set(call.id, verdict);
    return verdict;
  };
  const hook: HookCallback = async (input) => {
    if (input.hook_event_name !== 'PreToolUse') return {};
    const { tool_use_id: id, tool_name: tool, tool_input, cwd, agent_id } = input;
    const call = { id, tool, input: tool_input, cwd, inSubagent: agent_id !== undefined };
    const verdict = await verdictOn(call);
    return { hookSpecificOutput: { hookEventName: 'PreToolUse', ...decisionOf(verdict) } };
  };
  return {
    hooks: { PreToolUse: [{ hooks: [hook] }] },
    canUseTool: async (tool, input, { toolUseID }) => {
      // A call that was held is taken up when the CLI starts, which may be before it knows of the hook.
      const held = asking.isHeld(toolUseID)
        ? verdictOn({ id: toolUseID, tool, input, cwd, inSubagent: false })
        : undefined;
      const verdict = await (verdicts.get(toolUseID) ?? held ?? NOT_JUDGED);
      if ('hold' in verdict) return { behavior: 'deny', message: asking.notHeld(toolUseID) };
      if (!verdict.allow) return { behavior: 'deny', message: verdict.reason };
      return { behavior: 'allow', updatedInput: { ...(verdict.input ?? input) } };
    },
  };
}

const NOT_JUDGED: AskVerdict = { allow: false, reason: 'This call is not allowed.' };

function decisionOf(verdict: AskVerdict) {
  if ('hold' in verdict) return { permissionDecision: 'defer' as const };
  if (!verdict.allow) {
    return { permissionDecision: 'deny' as const, permissionDecisionReason: verdict.reason };
  }
  const { input } = verdict;
  return { permissionDecision: 'allow' as const, ...(input && { updatedInput: { ...input } }) };
}
