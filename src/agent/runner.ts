// Runs one turn of the real Claude Agent SDK over a restored directory. Promises: only what the agent folder says
// is loaded; what the policy does not allow does not run; a resumed turn provably went on from the conversation it
// was given; a stop keeps what was done; every process of the turn is gone when `run` returns.
// It never throws for what went wrong inside the agent: that is an outcome. It throws for faults of this machine.
import { rm } from 'node:fs/promises';
import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk';
import { type EndedProgram, MAX_ENDED_PROGRAMS } from '../core/ended-programs.ts';
import { Corrupt, Invalid } from '../core/errors.ts';
import { tenantOf } from '../core/ids.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { AgentOutcome, AgentRun, AgentRunner } from '../core/ports/execution.ts';

import { createMemoryVault } from '../stores/memory/vault.ts';
import type { TenantAgentOf } from '../tenants/tenant-agent.ts';
import { isAllowed } from '../tool-servers/tool-rules.ts';
import { createToolServers } from '../tool-servers/tool-servers.ts';
import { type AgentFolder, toolsOf } from './agent-folder.ts';
import { type Asking, createAsking } from './asking-policy.ts';
import { type ChatCommand, chatCommandOf } from './chat-command.ts';
import type { CliPlace } from './cli-place.ts';
import { type CliEnd, runCli } from './cli-run.ts';
import type { CliSandbox } from './cli-sandbox.ts';
import { answeredPrompt, type Prompt, promptOf } from './continuation.ts';
import { type ConversationNote, readConversationNote, writeConversationNote } from './conversation-note.ts';
import { takeEndedNote, withEndedNote, writeEndedNote } from './ended-note.ts';
import { folderCommandOf } from './folder-commands.ts';
import { type GatewayPerTurnOptions, gatewayPerTurn } from './gateway-per-turn.ts';
import { callsMade, heldCall, refuseHeldCall } from './held-call.ts';
import { createModelAccess, type ModelAccessOptions, type TurnAccess } from './model-access.ts';
import { narrowedTools, type ToolNarrowing } from './narrowed-tools.ts';
import { createNotices, type Notices } from './notices.ts';
import { isAlreadyLost, outcomeOf } from './outcome.ts';
import { dropOutgoing, outgoingFiles } from './outgoing-files.ts';
import { createRecovery, dropUnanswered, GO_ON } from './recovery.ts';
import { type Refusal, refusalOf, waysOn } from './refusal.ts';
import { relocate } from './relocation.ts';
import { beginScheduling, orderedSchedules } from './schedule-tool.ts';
import { reportSlowTools } from './slow-tools.ts';
import { timeZoneOf } from './time-zone.ts';
import {
  continuesFrom,
  dropTornLine,
  holdsConversation,
  markTranscript,
  type TranscriptMark,
} from './transcript.ts';
import { agentSessionOf, transcriptPath } from './transcript-file.ts';
import { createTurnTools, type TurnTools } from './turn-tools.ts';
import { createTurnWatcher } from './turn-watcher.ts';
import { userMessage } from './user-message.ts';

export type { ModelEndpoint } from './environment.ts';

export interface CliRunnerOptions {
  readonly folder: AgentFolder;
  readonly sandbox: CliSandbox;
  /** PATH of the agent's shell; by default the system's folders and this Node's own. */
  readonly path?: string;
  /** Variables that lead the agent's programs to what they may reach of the network. */
  readonly network?: Readonly<Record<string, string>>;
  /** LANG of the agent; C.UTF-8 by default. */
  readonly language?: string;
  /** After a stop: how long the CLI may take to write down what it did. */
  readonly stopGraceMs?: number;
  readonly log?: Log;
}

export interface AgentRunnerOptions
  extends CliRunnerOptions,
    Omit<ModelAccessOptions, 'folder' | 'agentOf' | 'gateway'>,
    Pick<GatewayPerTurnOptions, 'proxy'> {
  /** The worker's; without one each turn has a gateway of its own. */
  readonly gateway?: ModelAccessOptions['gateway'];
  /** What tenants have of their own. */
  readonly agentOf?: TenantAgentOf<AgentFolder>;
}

interface UsedModel {
  /** In place of the folder's. */
  readonly use?: string;
  /** Where the CLI may stay for the session's next turn; without one it ends with the turn. */
  readonly place?: CliPlace;
  /** Of the folder's tools. */
  readonly tools?: ToolNarrowing;
}

/** Runs turns with a model that the caller gives access to. */
export interface CliRunner {
  run(
    run: AgentRun,
    access: Pick<TurnAccess, 'model'> & Partial<Pick<TurnAccess, 'away'>> & UsedModel,
  ): Promise<AgentOutcome>;
}

export function createCliRunner(options: CliRunnerOptions): CliRunner {
  const { folder } = options;
  const sandbox: CliSandbox =
    folder.settings.sandbox === 'off' ? { kind: 'none', reason: 'switched off' } : options.sandbox;
  if (folder.settings.sandbox === 'require' && sandbox.kind === 'none') {
    throw new Invalid(
      'no-sandbox',
      `settings.json: sandbox: required, but there is none: ${sandbox.reason}.`,
      {
        advice: 'Install bubblewrap (Linux), or set "sandbox": "prefer".',
      },
    );
  }
  return {
    run: (run, { use, tools, ...access }) => {
      const own = tools ? narrowedTools(folder, tools) : folder;
      const using = use === undefined ? own : { ...own, settings: { ...own.settings, model: use } };
      return runCliTurn(run, { ...options, sandbox, away: () => null, folder: using, ...access });
    },
  };
}

/** Where nobody says where credentials are, tool servers at URLs get none. */
function toolsWithoutCredentials({ folder, log }: AgentRunnerOptions): TurnTools {
  const toolServers = createToolServers({ vault: createMemoryVault(), ...(log && { log }) });
  return createTurnTools({ toolServers, own: folder });
}

/** With the model's credential in this process: for hosts that are no process of their own. */
export function createAgentRunner(options: AgentRunnerOptions): AgentRunner {
  const own = createCliRunner(options);
  const others = new Map<AgentFolder, CliRunner>();
  const { turnTools = toolsWithoutCredentials(options), gateway = gatewayPerTurn(options) } = options;
  const access = createModelAccess({ ...options, gateway, turnTools });

  function runnerFor(folder: AgentFolder): CliRunner {
    const known = others.get(folder) ?? createCliRunner({ ...options, folder });
    others.set(folder, known);
    return known;
  }

  return {
    async run(run) {
      const agent = await options.agentOf?.(tenantOf(run.request.sessionKey));
      const cli = agent ? runnerFor(agent.folder) : own;
      return await access.during(run, ({ folder: { settings }, model, away }) =>
        cli.run(run, {
          model,
          away,
          ...(settings.model === undefined ? {} : { use: settings.model }),
          ...(agent ? { tools: agent.tools } : {}),
        }),
      );
    },
    modelAnswers: access.answersAgain,
    models: access.modelsOf,
  };
}

type TurnOptions = CliRunnerOptions & Pick<TurnAccess, 'model' | 'away'> & Pick<UsedModel, 'place'>;

async function runCliTurn(run: AgentRun, options: TurnOptions): Promise<AgentOutcome> {
  try {
    return await runWithTranscript(run, options);
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
    return failed(options.model.demo, 'resume-lost', error.message);
  }
}

async function runWithTranscript(run: AgentRun, options: TurnOptions): Promise<AgentOutcome> {
  const { directory, signal } = run;
  const { config, workspace } = directory;
  const demo = options.model.demo;
  const transcript = transcriptPath(config, agentSessionOf(run));
  await dropTornLine(transcript);
  const note = await readConversationNote(config);
  // An imported session may hold a transcript in which nobody has said anything; a saved one says that it began.
  const mark =
    run.resume && (note?.begun || (await holdsConversation(transcript)))
      ? await markTranscript(transcript)
      : null;
  if (run.resume && (await isLost(transcript, mark, note))) {
    return failed(demo, 'resume-lost', 'The conversation of this session is not in the restored files.');
  }
  if (!mark) {
    // A turn stopped before its first word may leave a file without a conversation; the CLI would refuse its name.
    await rm(transcript, { force: true });
    await writeConversationNote(config, { begun: false, bytes: 0 });
  }
  if (signal.aborted) return { status: statusOf(signal), text: '', demo };

  const turn = { turn: run.request.turnId, log: options.log ?? silentLog, transcript, config, workspace };
  const command = run.decided?.calls ? null : chatCommandOf(run.request.text);
  const calls = run.decided?.calls ?? [];
  const made = run.continuing && calls.length > 0 ? await callsMade(transcript, calls) : new Set<string>();
  const asking = createAsking(options.folder, run, made);
  const held = await takeUpHeld(asking, options.folder, transcript, mark);
  const ofFolder = run.decided?.calls ? null : folderCommandOf(options.folder, run.request.text);
  if (ofFolder && 'reply' in ofFolder) return { status: 'ok', text: ofFolder.reply, demo };
  if (command?.kind === 'drop') return { status: 'ok', text: await dropUnanswered(turn), demo };
  if (command && !mark) return { status: 'ok', text: 'Nothing has been said yet.', demo };

  // Left by a turn that was given up: this one's own survive only in a state that holds its message.
  if (!run.continuing) await dropOutgoing(config);
  const relocation = await relocate(directory);
  if (run.scheduling) await beginScheduling(run, run.scheduling, timeZoneOf(options.folder.settings));
  const slow = reportSlowTools(run.progress);
  const { progress } = slow;
  const notices = createNotices({ ...turn, progress });
  const watcher = createTurnWatcher({ workspace, progress });
  const recovery = createRecovery({ ...turn, notices, progress });
  const see = (message: SDKMessage): void => {
    watcher.see(message);
    notices.see(message);
  };
  let from = held.mark;
  // What lies in the transcript was changed behind the back of a CLI that stayed.
  if (held.goesOn || held.mark !== mark) await options.place?.end('asked');
  let message = command
    ? userMessage({ text: command.text }, true)
    : held.goesOn
      ? null
      : userMessage(
          withEndedNote(
            await promptFor(run, transcript, ofFolder?.prompt ?? null),
            await takeEndedNote(config),
          ),
        );
  if (held.goesOn) watcher.goesOn(held.goesOn);
  let end: CliEnd;
  const ended: EndedProgram[] = [];
  try {
    for (let runs = 1; ; runs++) {
      end = await runCli({
        ...options,
        run,
        mark: from,
        relocation: runs === 1 ? relocation : null,
        message,
        transcript,
        asking,
        see,
      });
      watcher.close();
      ended.push(...end.ended);
      // It had answered, but it was not done: cut off here, the turn is no finished one.
      if (end.waited) watcher.again();
      await dropTornLine(transcript);
      const now = await markTranscript(transcript);
      await writeConversationNote(config, { begun: now !== null, bytes: now?.bytes ?? 0 });
      if (from && !isAlreadyLost(watcher.seen()) && !(await continuesFrom(transcript, from))) {
        return failed(demo, 'resume-lost', 'The agent did not go on from the conversation it was given.');
      }
      if (end.stopped || signal.aborted || !(await recovery.mend(watcher.seen()))) break;
      // The conversation was changed behind the back of a CLI that stayed.
      await options.place?.end('turn-failed');
      watcher.again();
      from = await markTranscript(transcript);
      message = userMessage({ text: GO_ON });
    }
  } finally {
    slow.close();
  }
  const watched = watcher.seen();
  const outcome = outcomeOf({
    watched,
    stopped: end.stopped ? statusOf(signal) : null,
    crash: end.crash,
    broken: end.broken,
    away: options.away(),
    demo,
    asked: asking.asked(),
  });
  if (ended.length > 0) await writeEndedNote(config, ended);
  const schedules = run.scheduling ? await orderedSchedules(run) : [];
  const sent = (await outgoingFiles(config)).map(({ path: _, ...file }) => file);
  const all = {
    ...outcome,
    ...(schedules.length > 0 && { schedules }),
    ...(sent.length > 0 && { sent }),
    ...(ended.length > 0 && { ended: ended.filter((_, at) => at < MAX_ENDED_PROGRAMS) }),
  };
  return told(all, notices, refusalOf(watched), command);
}

/** With what else there is to tell. */
function told(
  outcome: AgentOutcome,
  notices: Notices,
  refusal: Refusal | null,
  command: ChatCommand | null,
): AgentOutcome {
  const { failure } = outcome;
  if (!failure) {
    const done = command !== null && outcome.status === 'ok' && !notices.compactionFailed;
    return { ...outcome, text: notices.below(done ? 'Done.' : outcome.text) };
  }
  if (failure.code !== 'agent-error') return outcome;
  const ways = refusal ? `\n\n${waysOn(refusal, notices.compactionFailed)}` : '';
  return { ...outcome, failure: { ...failure, message: notices.below(failure.message + ways) } };
}

/** Gone, or shorter than it was when the last turn ended. Nothing said yet is not lost. */
async function isLost(
  transcript: string,
  mark: TranscriptMark | null,
  note: ConversationNote | null,
): Promise<boolean> {
  if (mark) return note !== null && mark.bytes < note.bytes;
  return note ? note.begun : (await holdsConversation(transcript)) !== false;
}

function statusOf(signal: AbortSignal): 'stopped' | 'deadline' {
  return signal.reason === 'deadline' ? 'deadline' : 'stopped';
}

function failed(
  demo: boolean,
  code: NonNullable<AgentOutcome['failure']>['code'],
  message: string,
): AgentOutcome {
  return { status: 'failed', text: '', demo, failure: { code, message } };
}

/** What the turn begins with. */
async function promptFor(run: AgentRun, transcript: string, ordered: string | null): Promise<Prompt> {
  const calls = run.decided?.calls;
  if (calls) return answeredPrompt(calls, run.continuing);
  const request = ordered === null ? run.request : { ...run.request, text: ordered };
  return await promptOf({ ...run, request }, transcript);
}

interface TakenUp {
  readonly mark: TranscriptMark | null;
  /** The CLI held it, people have decided about it, and it has its result from them in this run. */
  readonly goesOn: { readonly id: string; readonly name: string; readonly input: unknown } | null;
}

/**
 * A call that waits in the conversation goes on, if this turn is the answer to it and allows it. Any other gets its result now:
 * the CLI takes a held call up when it starts, perhaps before it knows that it has to ask.
 */
async function takeUpHeld(
  asking: Asking,
  { settings }: AgentFolder,
  transcript: string,
  mark: TranscriptMark | null,
): Promise<TakenUp> {
  const held = mark ? await heldCall(transcript) : null;
  if (!held) return { mark, goesOn: null };
  const isThere = isAllowed(held.tool, toolsOf(settings));
  const refusal = isThere ? asking.refusalOf(held.id) : NOT_THERE;
  if (refusal === null && asking.isHeld(held.id)) {
    return { mark, goesOn: { id: held.id, name: held.tool, input: held.input } };
  }
  await refuseHeldCall(transcript, held, refusal ?? NOT_ANSWERED);
  return { mark: await markTranscript(transcript), goesOn: null };
}

const NOT_ANSWERED = 'This call has not run: the person went on without allowing it.';
const NOT_THERE = 'This call has not run: there is no such tool any more.';
