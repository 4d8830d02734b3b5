// One run of the CLI within a turn: configuration laid in, the process started, its messages handed on, a stop carried
// out, and every process gone at the end. What the run amounts to is for others to say.
import { query, type SDKMessage, type SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';
import type { AgentRun } from '../core/ports/execution.ts';
import type { AgentFolder } from './agent-folder.ts';
import type { Asking } from './asking-policy.ts';
import { type Crash, createCliProcess } from './cli-process.ts';
import type { CliSandbox } from './cli-sandbox.ts';
import { agentEnvironment, type ModelEndpoint } from './environment.ts';
import { endProcesses } from './processes.ts';
import { queryOptions } from './query-options.ts';
import type { Relocation } from './relocation.ts';
import { dropConfiguration, layConfiguration } from './static-config.ts';
import type { TranscriptMark } from './transcript.ts';

export interface CliRun {
  readonly run: AgentRun;
  readonly folder: AgentFolder;
  readonly model: ModelEndpoint;
  readonly sandbox: CliSandbox;
  readonly path?: string;
  readonly language?: string;
  readonly network?: Readonly<Record<string, string>>;
  readonly stopGraceMs?: number;
  /** The conversation to go on with; null begins one. */
  readonly mark: TranscriptMark | null;
  readonly relocation: Relocation | null;
  readonly input: CliInput;
  readonly asking: Asking;
  readonly see: (message: SDKMessage) => void;
}

/** One message, then silence until `end`: an open input is what lets a turn be interrupted. */
export interface CliInput {
  readonly messages: AsyncIterable<SDKUserMessage>;
  end(): void;
}

export interface CliEnd {
  readonly crash: Crash | null;
  readonly broken: unknown;
  /** Somebody asked for the end. */
  readonly stopped: boolean;
}

const STOP_GRACE_MS = 2_000;
/** After its result: how long the CLI may take to end by itself. */
const EXIT_GRACE_MS = 3_000;

export async function runCli(context: CliRun): Promise<CliEnd> {
  const { run, folder, input } = context;
  const { directory, signal } = run;
  const laid = await layConfiguration(folder, directory);
  const own = agentEnvironment({
    directory,
    model: context.model,
    shellPrefix: laid.shellWrapper,
    ...(context.path === undefined ? {} : { path: context.path }),
    // This process's zone follows TZ and the machine's setting; on Lambda it is UTC.
    timezone: folder.settings.timezone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
    ...(context.language === undefined ? {} : { language: context.language }),
    limits: folder.settings.timeLimits,
  });
  const environment = { ...context.network, ...own };
  const cli = createCliProcess();
  const conversation = query({
    prompt: input.messages,
    options: await queryOptions({ ...context, environment, laid, spawn: cli.spawn }),
  });

  const timers: NodeJS.Timeout[] = [];
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    if (signal.reason === 'lost') return void cli.kill();
    run.progress({ type: 'status', status: 'stopping' });
    // The input stays open until the result: an interrupt travels over it.
    conversation.interrupt().catch(() => {});
    timers.push(setTimeout(cli.kill, context.stopGraceMs ?? STOP_GRACE_MS));
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();

  let broken: unknown = null;
  try {
    for await (const message of conversation) {
      context.see(message);
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
    await dropConfiguration(directory);
  }
  return { crash: cli.crash(), broken, stopped };
}
