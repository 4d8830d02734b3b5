// One run of the CLI within a turn: configuration laid in, the process started, its messages handed on, a stop carried
// out, and every process gone at the end, unless the CLI may stay for the next turn (cli-place.ts). What the run
// amounts to is for others to say.
import type { SDKMessage, SDKResultMessage, SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';
import type { EndedProgram } from '../core/ended-programs.ts';
import type { AgentRun } from '../core/ports/execution.ts';
import type { AgentFolder } from './agent-folder.ts';
import type { Asking } from './asking-policy.ts';
import { createBackground, type Waited } from './background.ts';
import type { WhyEnded } from './cli-ends.ts';
import type { CliPlace } from './cli-place.ts';
import { type Crash, createCliProcess } from './cli-process.ts';
import type { CliSandbox } from './cli-sandbox.ts';
import { agentEnvironment, type ModelEndpoint } from './environment.ts';
import { createLateFiles } from './late-files.ts';
import { endProcesses } from './processes.ts';
import { queryOptions } from './query-options.ts';
import type { Relocation } from './relocation.ts';
import { startCli } from './started-cli.ts';
import { dropConfiguration, laidPlaces, layConfiguration } from './static-config.ts';
import { steerInto } from './steering-input.ts';
import { timeZoneOf } from './time-zone.ts';
import { markTranscript, type TranscriptMark } from './transcript.ts';
import { userMessage } from './user-message.ts';

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
  /** null: the CLI goes on with the call that it held. */
  readonly message: SDKUserMessage | null;
  readonly transcript: string;
  readonly asking: Asking;
  readonly see: (message: SDKMessage) => void;
  /** Where the CLI may stay for the next turn. */
  readonly place?: CliPlace;
}

export interface CliEnd {
  readonly crash: Crash | null;
  readonly broken: unknown;
  /** Somebody asked for the end. */
  readonly stopped: boolean;
  /** What was left running, and ended with this run. */
  readonly ended: readonly EndedProgram[];
  /** The agent had answered, but asked that what it left running be waited for. */
  readonly waited: boolean;
}

const STOP_GRACE_MS = 2_000;
/** After its result: how long the CLI may take to end by itself. */
const EXIT_GRACE_MS = 3_000;
/** After a result, until it begins with what it was sent meanwhile. */
const SILENT_MS = 5_000;
/** After its result: how long the CLI may take until it waits for the next message. */
const IDLE_MS = 3_000;

export async function runCli(context: CliRun): Promise<CliEnd> {
  const { run, folder, message, transcript, place } = context;
  const { directory, signal } = run;
  const laid = laidPlaces(directory);
  const own = agentEnvironment({
    directory,
    model: context.model,
    shellPrefix: laid.shellWrapper,
    ...(context.path === undefined ? {} : { path: context.path }),
    timezone: run.scheduling?.timeZone ?? timeZoneOf(folder.settings),
    ...(context.language === undefined ? {} : { language: context.language }),
    limits: folder.settings.timeLimits,
  });
  const environment = { ...context.network, ...own };
  const process = createCliProcess();
  const given = { ...context, environment, laid, spawn: process.spawn };
  const options = await queryOptions(given);
  const cli = (await place?.take(options, directory)) ?? (await startAnew());
  if (message !== null) cli.say(message);

  async function startAnew() {
    await layConfiguration(folder, directory);
    return place ? await place.start(options, process, directory) : startCli(options, process);
  }

  const timers: NodeJS.Timeout[] = [];
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    if (signal.reason === 'lost') return void cli.process.kill();
    run.progress({ type: 'status', status: 'stopping' });
    // The input stays open until the result: an interrupt travels over it.
    cli.conversation.interrupt().catch(() => {});
    timers.push(setTimeout(cli.process.kill, context.stopGraceMs ?? STOP_GRACE_MS));
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();

  const late =
    message?.uuid === undefined
      ? null
      : createLateFiles({ transcript, from: context.mark?.bytes ?? 0, prompt: message.uuid });
  let compacted = false;
  let mayStay = false;

  /** null when the CLI may stay, as far as its result tells. */
  function whyEnded(result: SDKResultMessage): WhyEnded | null {
    if (!place?.wanted) return 'not-wanted';
    if (result.subtype !== 'success' || result.is_error || stopped) return 'turn-failed';
    // Without an id of its message it cannot be told what the transcript must hold.
    if (late === null) return 'late-files';
    if (result.deferred_tool_use !== undefined) return 'asked';
    return compacted ? 'compacted' : null;
  }

  /** The CLI is idle. null when it stays. */
  async function stay(at: CliPlace): Promise<WhyEnded | null> {
    if (!(await late?.areWritten())) return 'late-files';
    const mark = await markTranscript(transcript);
    return (await at.whyNot(await queryOptions({ ...given, mark, relocation: null }))) ?? (await at.keep());
  }

  function end(why: WhyEnded): void {
    mayStay = false;
    steered.close();
    place?.ended(why);
    cli.end();
    timers.push(setTimeout(cli.process.kill, EXIT_GRACE_MS));
  }

  /** Why a next turn may not go on with this CLI, whatever its result says. */
  let spoiled: WhyEnded | null = null;
  const steered = steerInto(
    {
      push(prompt) {
        spoiled ??= 'steered';
        cli.say(userMessage(prompt));
      },
    },
    run,
    transcript,
  );
  const { background: settings } = folder.settings;
  const background = createBackground({ run, settings, shellWrapper: laid.shellWrapper });
  let ended: readonly EndedProgram[] = [];

  /** Nothing more is waited for. */
  function settle(of: SDKResultMessage): void {
    steered.close();
    const why = spoiled ?? whyEnded(of);
    mayStay = why === null;
    if (why !== null) end(why);
    else timers.push(setTimeout(() => end('busy'), IDLE_MS));
  }

  let silence: NodeJS.Timeout | undefined;
  let broken: unknown = null;
  let isStaying = false;
  try {
    let result: SDKResultMessage | null = null;
    let isIdle = false;
    for (;;) {
      const next = await awaited(cli.messages.peek(), background.waited);
      if ('tell' in next) {
        // What runs may have changed anything since the CLI began: none stays after that.
        spoiled = 'background';
        result = null;
        background.told();
        cli.say(userMessage({ text: next.tell }));
      } else if ('ended' in next) {
        background.stopWaiting();
        ended = next.ended;
        if (result) settle(result);
        result = null;
      } else {
        await cli.messages.next();
        if (next.done) break;
        const seen = next.value;
        context.see(seen);
        late?.see(seen);
        steered.see(seen);
        background.see(seen);
        clearTimeout(silence);
        if (seen.type === 'system' && seen.subtype === 'compact_boundary') compacted = true;
        if (seen.type === 'system' && seen.subtype === 'session_state_changed')
          isIdle = seen.state === 'idle';
        if (seen.type === 'result') {
          result = seen;
          isIdle = false;
          // What it was sent while it ended is its next prompt.
          if (!steered.isAnswered()) silence = setTimeout(() => end('busy'), SILENT_MS);
        }
        if (result !== null && steered.isAnswered() && !background.waited) {
          const isOver = stopped || result.subtype !== 'success' || result.is_error;
          const isBusy = await background.isBusy();
          if (isBusy && !isOver) background.wait();
          else {
            if (isBusy) ended = await background.running();
            settle(result);
            result = null;
          }
        }
      }
      if (!isIdle || !mayStay || !place) continue;
      mayStay = false;
      for (const timer of timers.splice(0)) clearTimeout(timer);
      const why = await stay(place);
      if (why !== null) end(why);
      isStaying = why === null && !stopped;
      if (isStaying) break;
    }
  } catch (error) {
    // The SDK throws after an error result, too; the result tells more.
    broken = error;
  } finally {
    signal.removeEventListener('abort', stop);
    background.stopWaiting();
    clearTimeout(silence);
    for (const timer of timers) clearTimeout(timer);
    steered.close();
    if (!isStaying) {
      await place?.end();
      cli.end();
      cli.conversation.close();
      await endProcesses(directory.root, cli.process.pids());
      await cli.process.ended();
      await dropConfiguration(directory);
    }
  }
  const crash = isStaying ? null : cli.process.crash();
  return { crash, broken, stopped, ended, waited: stopped && background.isKept };
}

/** Whatever comes first: the CLI's next message, or the end of the waiting for what runs in the background. */
async function awaited(
  message: Promise<IteratorResult<SDKMessage>>,
  waited: Promise<Waited> | null,
): Promise<IteratorResult<SDKMessage> | Waited> {
  return waited ? await Promise.race([message, waited]) : await message;
}
