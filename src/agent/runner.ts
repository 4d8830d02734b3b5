// Runs one turn of the real Claude Agent SDK over a restored directory. Promises: only what the agent folder says
// is loaded; what the policy does not allow does not run; a resumed turn provably went on from the conversation it
// was given; a stop keeps what was done; every process of the turn is gone when `run` returns.
// It never throws for what went wrong inside the agent: that is an outcome. It throws for faults of this machine.
import { rm } from 'node:fs/promises';
import { query, type SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';
import { Invalid } from '../core/errors.ts';
import { contextBlock } from '../core/message-context.ts';
import type { AgentOutcome, AgentRun, AgentRunner } from '../core/ports/execution.ts';
import type { AgentFolder } from './agent-folder.ts';
import { createCliProcess } from './cli-process.ts';
import { CONTINUATION } from './continuation.ts';
import { type ConversationNote, readConversationNote, writeConversationNote } from './conversation-note.ts';
import { agentEnvironment, type ModelEndpoint } from './environment.ts';
import { createModelGateway, createUpstreamConnections, type UpstreamConnections } from './model-gateway.ts';
import { outcomeOf } from './outcome.ts';
import { endProcesses } from './processes.ts';
import { queryOptions } from './query-options.ts';
import { relocate } from './relocation.ts';
import type { SandboxChoice } from './sandbox.ts';
import { dropConfiguration, layConfiguration } from './static-config.ts';
import {
  continuesFrom,
  dropTornLine,
  markTranscript,
  type TranscriptMark,
  transcriptPath,
} from './transcript.ts';
import { createTurnWatcher } from './turn-watcher.ts';

export type { ModelEndpoint } from './environment.ts';

export interface AgentRunnerOptions {
  readonly folder: AgentFolder;
  readonly model: ModelEndpoint;
  readonly sandbox: SandboxChoice;
  /** PATH of the agent's shell; by default the system's folders and this Node's own. */
  readonly path?: string;
  /** TZ of the agent; UTC by default. */
  readonly timezone?: string;
  /** LANG of the agent; C.UTF-8 by default. */
  readonly language?: string;
  /** After a stop: how long the CLI may take to write down what it did. */
  readonly stopGraceMs?: number;
  /** `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` for the way to the model, where there is a proxy. */
  readonly proxy?: Readonly<Record<string, string>>;
}

const PUBLIC_API = 'https://api.anthropic.com';
const STOP_GRACE_MS = 2_000;
/** After its result: how long the CLI may take to end by itself. */
const EXIT_GRACE_MS = 3_000;

export function createAgentRunner(options: AgentRunnerOptions): AgentRunner {
  const { folder } = options;
  const sandbox: SandboxChoice =
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
  const connections = createUpstreamConnections(options.proxy);
  return {
    async run(run) {
      const { model, close } = await openGateway(options.model, connections);
      try {
        return await runCliTurn(run, { ...options, sandbox, model });
      } finally {
        await close();
      }
    },
  };
}

/** A model with a credential is reached through a gateway of the turn's own; the CLI gets its token instead. */
async function openGateway(
  model: ModelEndpoint,
  connections: UpstreamConnections,
): Promise<{ readonly model: ModelEndpoint; close(): Promise<void> }> {
  const { apiKey, authToken, ...rest } = model;
  if (model.bedrock || (apiKey === undefined && authToken === undefined)) {
    return { model: { ...rest, apiKey: 'none' }, close: async () => {} };
  }
  const gateway = await createModelGateway({
    upstream: {
      baseUrl: model.baseUrl ?? PUBLIC_API,
      ...(authToken === undefined ? { apiKey: apiKey ?? '' } : { authToken }),
    },
    connections,
  });
  return { model: { ...rest, baseUrl: gateway.url, apiKey: gateway.token }, close: gateway.close };
}

async function runCliTurn(run: AgentRun, options: AgentRunnerOptions): Promise<AgentOutcome> {
  const { directory, signal } = run;
  const demo = options.model.demo;
  const transcript = transcriptPath(directory.config, run.sessionId);
  await dropTornLine(transcript);
  const mark = run.resume ? await markTranscript(transcript) : null;
  const note = await readConversationNote(directory.config);
  if (run.resume && isLost(mark, note)) {
    return failed(demo, 'resume-lost', 'The conversation of this session is not in the restored files.');
  }
  if (!mark) {
    // A turn stopped before its first word may leave a file without a conversation; the CLI would refuse its name.
    await rm(transcript, { force: true });
    await writeConversationNote(directory.config, { begun: false, bytes: 0 });
  }
  if (signal.aborted) return { status: statusOf(signal), text: '', demo };

  const relocation = await relocate(directory);
  const laid = await layConfiguration(options.folder, directory);
  const environment = agentEnvironment({
    directory,
    model: options.model,
    shellPrefix: laid.shellWrapper,
    ...(options.path === undefined ? {} : { path: options.path }),
    ...(options.timezone === undefined ? {} : { timezone: options.timezone }),
    ...(options.language === undefined ? {} : { language: options.language }),
  });
  const cli = createCliProcess({ directory, sandbox: options.sandbox, folder: options.folder });
  const watcher = createTurnWatcher({ workspace: directory.workspace, progress: run.progress });
  const input = createInput(messageOf(run), contextBlock(run.request.context));
  const conversation = query({
    prompt: input.messages,
    options: await queryOptions({ run, mark, relocation, environment, laid, spawn: cli.spawn, ...options }),
  });

  const timers: NodeJS.Timeout[] = [];
  let wanted = false;
  const stop = (): void => {
    wanted = true;
    if (signal.reason === 'lost') return void cli.kill();
    run.progress({ type: 'status', status: 'stopping' });
    // The input stays open until the result: an interrupt travels over it.
    conversation.interrupt().catch(() => {});
    timers.push(setTimeout(cli.kill, options.stopGraceMs ?? STOP_GRACE_MS));
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();

  let broken: unknown = null;
  try {
    for await (const message of conversation) {
      watcher.see(message);
      if (message.type === 'result') {
        input.end();
        timers.push(setTimeout(cli.kill, EXIT_GRACE_MS));
      }
    }
  } catch (error) {
    // The SDK throws after an error result, too; the result tells more.
    broken = error;
  } finally {
    signal.removeEventListener('abort', stop);
    for (const timer of timers) clearTimeout(timer);
    input.end();
    conversation.close();
    await endProcesses(directory.root, cli.pids());
    await cli.ended();
    watcher.close();
    await dropConfiguration(directory);
  }
  await dropTornLine(transcript);
  const now = await markTranscript(transcript);
  await writeConversationNote(directory.config, { begun: now !== null, bytes: now?.bytes ?? 0 });
  const outcome = outcomeOf({
    watched: watcher.seen(),
    stopped: wanted ? statusOf(signal) : null,
    totals: mark?.totals ?? null,
    crash: cli.crash(),
    broken,
    demo,
  });
  if (mark && outcome.failure?.code !== 'resume-lost' && !(await continuesFrom(transcript, mark))) {
    return failed(demo, 'resume-lost', 'The agent did not go on from the conversation it was given.');
  }
  return outcome;
}

/** Gone, or shorter than it was when the last turn ended. Nothing said yet is not lost. */
function isLost(mark: TranscriptMark | null, note: ConversationNote | null): boolean {
  if (!mark) return note?.begun !== false;
  return note !== null && mark.bytes < note.bytes;
}

/** A turn that was cut off and starts again finds its message in the conversation, or not quite yet. */
function messageOf(run: AgentRun): string {
  const { text } = run.request;
  return run.continuing ? `${CONTINUATION}${text === '' ? '' : `\n\n${text}`}` : text;
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

function textBlock(text: string) {
  return { type: 'text' as const, text };
}

/** One message, then silence until `end`: an open input is what lets a turn be interrupted. */
function createInput(
  text: string,
  context: string | null,
): { readonly messages: AsyncIterable<SDKUserMessage>; end(): void } {
  const done = Promise.withResolvers<void>();
  async function* messages(): AsyncGenerator<SDKUserMessage> {
    yield {
      type: 'user',
      message: { role: 'user', content: context === null ? text : [textBlock(context), textBlock(text)] },
      parent_tool_use_id: null,
      // "/clear" from a chat is text for the agent, not an order to the CLI.
      ...(text.trimStart().startsWith('/') ? { client_composed: true } : {}),
    };
    await done.promise;
  }
  return { messages: messages(), end: () => done.resolve() };
}
