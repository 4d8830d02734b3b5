// The host's side of the line: lays one session out, runs turns of its agent, packs what changed. It trusts the worker, and
// is not trusted by it. One session, ever: a second `open` ends the host.
import { readlink } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CliPlace, createCliPlace } from '../agent/cli-place.ts';
import type { ModelEndpoint } from '../agent/environment.ts';
import { dropOutgoing, outgoingFiles } from '../agent/outgoing-files.ts';
import { pauseProcesses } from '../agent/processes.ts';
import type { CliRunner } from '../agent/runner.ts';
import { systemClock } from '../core/clock.ts';
import { isHybridError } from '../core/errors.ts';
import type { SessionId, Tenant, TurnId } from '../core/ids.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { ExecutionDirectory, GivenFile, Steering, SteeringMessage } from '../core/ports/execution.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { createSessionFiles, type SessionFiles } from '../state/session-files.ts';
import { isUnchangedAround } from '../state/unchanged-since.ts';
import { cutText } from '../text/cut-text.ts';
import { endAllOthers } from './end-all-others.ts';
import { readFrames, writeFrame } from './frames.ts';
import { type ModelDoor, openModelDoor, throughDoor } from './model-door.ts';
import { atOneMoment } from './one-moment.ts';
import { type FromHost, type HeardByHost, PROTOCOL_VERSION, toHostSchema } from './protocol.ts';
import { createRemoteObjects, type RemoteObjects } from './remote-objects.ts';

export interface HostStreams {
  readonly input: Readable;
  readonly output: Writable;
  /** The bytes of packs. */
  readonly bytes: Writable;
}

/** How the agent's programs reach what is outside. */
export interface Ways {
  /** Ports on loopback by name; `model` leads to the gateway where it listens on a socket. */
  readonly ports: Readonly<Record<string, number>>;
  readonly proxyEnvironment: Readonly<Record<string, string>>;
}

export type Boot = Extract<HeardByHost, { type: 'boot' }>;

export interface HostOptions {
  readonly ways: Ways;
  /** Paths in the session's root that are the host's own, and emptied by whoever runs it. */
  readonly ofHost?: readonly string[];
  readonly openRunner: (boot: Boot, ways: Ways, log: Log) => Promise<CliRunner>;
}

type Open = Extract<HeardByHost, { type: 'open' }>;
type Run = Extract<HeardByHost, { type: 'run' }>;
type Save = Extract<HeardByHost, { type: 'save' }>;
type Give = Extract<HeardByHost, { type: 'give' }>;
type Wake = Extract<HeardByHost, { type: 'wake' }>;

interface Booted {
  readonly boot: Boot;
  readonly objects: RemoteObjects;
  readonly runner: CliRunner;
  readonly files: SessionFiles;
  /** True where every other process that can be seen belongs to the turn. */
  readonly alone: boolean;
}

interface Session {
  readonly tenant: Tenant;
  readonly sessionId: SessionId;
  readonly directory: ExecutionDirectory;
  /** Where its CLI stays between two turns. */
  readonly place: CliPlace;
  fence: number;
  baseline: unknown;
}

/** With its worker gone, an agent is given this long to be ended. */
const LEAVE_MS = 5_000;

/** Resolves when the worker has closed the host, or is gone, and the agent's run has ended. */
export async function serveHost(
  { input, output, bytes }: HostStreams,
  { ways, ofHost = [], openRunner }: HostOptions,
): Promise<void> {
  const say = (frame: FromHost): void => void writeFrame(output, frame);
  const log: Log = (level, event, fields = {}) => {
    if (level !== 'debug') say({ type: 'log', level, event, fields: { ...fields } });
  };
  let beat: NodeJS.Timeout | undefined;
  let beatEveryMs = 0;
  const needs = new Map<string, (found: boolean) => void>();
  const offers: ((result: 'created' | 'exists' | 'refused') => void)[] = [];
  let booted: Booted | null = null;
  let session: Session | null = null;
  let stop = new AbortController();
  let running: Promise<void> | undefined;
  let door: ModelDoor | undefined;

  function startBeat(): NodeJS.Timeout {
    return setInterval(() => say({ type: 'beat' }), beatEveryMs);
  }
  const steering = createHostSteering((turnId) => say({ type: 'took', turnId }));

  async function boot(frame: Boot): Promise<void> {
    clearInterval(beat);
    ({ beatEveryMs } = frame);
    beat = startBeat();
    const runner = await openRunner(frame, ways, log);
    const objects = createRemoteObjects({
      incoming: frame.incoming,
      need: (name) =>
        new Promise((resolve) => {
          needs.set(name, resolve);
          say({ type: 'need', name });
        }),
      offer: (name, size) =>
        new Promise((resolve) => {
          offers.push(resolve);
          say({ type: 'pack', name, bytes: size });
        }),
      bytes,
    });
    const files = createSessionFiles({ objects, limits: frame.limits });
    const inside = await readlink('/proc/self/ns/pid').catch(() => null);
    const alone = frame.outside !== null && inside !== null && inside !== frame.outside;
    booted = { boot: frame, objects, runner, files, alone };
    say({ type: 'ready', version: PROTOCOL_VERSION });
  }

  async function open({ files, alone }: Booted, frame: Open): Promise<void> {
    if (session) throw new Error('A host serves one session.');
    const { directory, fence } = frame;
    const scope = { tenant: frame.tenant as Tenant, sessionId: frame.sessionId as SessionId };
    const { baseline } = await files.restore(scope, frame.stored, directory);
    session = { ...scope, fence, directory, baseline, place: createCliPlace({ alone, ofHost, log }) };
    say({ type: 'opened' });
  }

  async function run({ runner, objects, alone }: Booted, opened: Session, frame: Run): Promise<void> {
    stop = new AbortController();
    const { resume, continuing, request, decided, tries, model, agentSessionId, keep, tools } = frame;
    const { scheduling } = frame;
    const { sessionId, directory, place } = opened;
    const endpoint = endpointOf(model, ways);
    if (keep) door ??= await openModelDoor();
    place.begin({ keep });
    const outcome = await runner.run(
      {
        sessionId,
        ...(agentSessionId === undefined ? {} : { agentSessionId: agentSessionId as SessionId }),
        resume,
        continuing,
        request,
        ...(frame.files && { files: frame.files.map((file) => readable(file, objects)) }),
        ...(decided && { decided }),
        ...(scheduling && { scheduling }),
        tries,
        directory,
        steering,
        signal: stop.signal,
        progress: (event) => {
          if (
            event.type === 'text' ||
            event.type === 'tool' ||
            (event.type === 'status' && event.status !== 'waiting')
          )
            say({ type: 'progress', event });
        },
      },
      {
        model: door ? throughDoor(door, endpoint) : endpoint,
        ...(model.use === undefined ? {} : { use: model.use }),
        ...(tools ? { tools } : {}),
        place,
      },
    );
    door?.shut();
    if (outcome.status !== 'ok') await place.end('turn-failed');
    if (outcome.asked) await place.end('asked');
    await place.finish();
    if (alone && !place.isTaken()) await endAllOthers();
    steering.reset();
    const cold = place.whyCold();
    const { sent, ended, ...told } = outcome;
    const said = { ...told, ...(sent && { sent: [...sent] }), ...(ended && { ended: [...ended] }) };
    say({ type: 'ended', outcome: said, ...(cold === null ? {} : { cold }) });
  }

  async function rest({ place }: Session): Promise<void> {
    const resting = await place.resting();
    if ('why' in resting) return say({ type: 'resting', cold: resting.why });
    clearInterval(beat);
    say({ type: 'resting', memoryBytes: resting.memoryBytes });
  }

  async function wake({ objects }: Booted, opened: Session, { fence, stored }: Wake): Promise<void> {
    const { place, directory, baseline } = opened;
    objects.askAgain();
    clearInterval(beat);
    beat = startBeat();
    const resting = await place.resting();
    if ('why' in resting) return say({ type: 'opened', cold: resting.why });
    if (!(await isUnchangedAround(stored, directory, baseline)))
      return say({ type: 'opened', cold: 'files' });
    opened.fence = fence;
    say({ type: 'opened' });
  }

  async function save({ files }: Booted, opened: Session, frame: Save): Promise<void> {
    const { generation, previous, running, names } = frame;
    const { fence, directory, baseline } = opened;
    const write = (onRead: () => void = () => {}) =>
      files.save({
        place: { scope: opened, generation, fence, ...(names && { names: [...names] }) },
        previous,
        baseline,
        directory,
        onRead,
      });
    const pause = () => pauseProcesses(directory.root);
    const saved = await (running
      ? atOneMoment({ pause, session: opened.sessionId, clock: systemClock, log: silentLog }, write)
      : write());
    opened.baseline = saved.baseline;
    const { stored, dead, refused } = saved;
    say({
      type: 'saved',
      stored: { ...stored, packs: [...stored.packs] },
      dead: dead.map(({ name, bytes: size }) => ({ name, bytes: size })),
      refused: refused.slice(0, 1_000).map(({ path, reason }) => ({ path, reason })),
    });
  }

  async function give({ objects }: Booted, { directory }: Session, { names }: Give): Promise<void> {
    const files = await outgoingFiles(directory.config);
    for (const [index, name] of names.entries()) {
      const file = files[index];
      if (!file) break;
      await objects.put(`${name}.pack`, { file: file.path, bytes: file.bytes });
    }
    await dropOutgoing(directory.config);
    say({ type: 'given' });
  }

  function failed(at: 'boot' | 'open' | 'save' | 'rest' | 'give', error: unknown): void {
    const { family, code, advice } = isHybridError(error)
      ? { family: familyOf(error.name), code: error.code, advice: error.advice }
      : { family: 'Error' as const, code: 'host-failed', advice: undefined };
    const message = error instanceof Error ? error.message : String(error);
    say({ type: 'failed', at, family, code, message: cutText(message, 2_000), ...(advice && { advice }) });
  }

  try {
    for await (const frame of readFrames(input, (value) => toHostSchema.parse(value))) {
      switch (frame.type) {
        case 'boot':
          await boot(frame).catch((error: unknown) => failed('boot', error));
          break;
        case 'open':
          if (booted) open(booted, frame).catch((error: unknown) => failed('open', error));
          break;
        case 'run':
          if (booted && session) running = run(booted, session, frame).catch(crash);
          break;
        case 'rest':
          if (session) rest(session).catch((error: unknown) => failed('rest', error));
          break;
        case 'wake':
          if (booted && session)
            wake(booted, session, frame).catch((error: unknown) => failed('open', error));
          break;
        case 'stop':
          stop.abort(frame.reason);
          break;
        case 'input':
          steering.offer({ turnId: frame.turnId as TurnId, text: frame.text });
          break;
        case 'save':
          if (booted && session)
            save(booted, session, frame).catch((error: unknown) => failed('save', error));
          break;
        case 'give':
          if (booted && session)
            give(booted, session, frame).catch((error: unknown) => failed('give', error));
          break;
        case 'have':
          needs.get(frame.name)?.(frame.found);
          break;
        case 'put':
          offers.shift()?.(frame.result);
          break;
        case 'close':
          return;
      }
    }
  } catch (error) {
    // A worker that was killed with something unread of ours breaks the line instead of ending it.
    if ((error as NodeJS.ErrnoException).syscall !== 'read') throw error;
  } finally {
    clearInterval(beat);
    stop.abort('lost');
    await Promise.race([running, sleep(LEAVE_MS, undefined, { ref: false })]);
    await (session as Session | null)?.place.end();
    await door?.close();
  }
}

/** Read through the worker, which is asked for it by its name. */
function readable(
  { object, ...file }: NonNullable<Run['files']>[number],
  objects: Pick<ObjectStore, 'stream'>,
): GivenFile {
  return { ...file, key: object, read: () => objects.stream(object) };
}

/** What comes before the agent listens waits for it; the worker offers anew what a run did not take. */
function createHostSteering(
  took: Steering['took'],
): Steering & { offer(message: SteeringMessage): void; reset(): void } {
  let listener: ((message: SteeringMessage) => void) | null = null;
  let early: SteeringMessage[] = [];
  return {
    took,
    listen(take) {
      listener = take;
      for (const message of early.splice(0)) take(message);
      return () => {
        listener = null;
      };
    },
    offer(message) {
      if (listener) listener(message);
      else early.push(message);
    },
    reset() {
      early = [];
    },
  };
}

/** Nothing that a turn does should end here: the worker sees the host's end, and takes the turn up again. */
function crash(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(70);
}

function familyOf(name: string): 'Corrupt' | 'Invalid' | 'Refused' | 'Conflict' | 'Error' {
  return name === 'Corrupt' || name === 'Invalid' || name === 'Refused' || name === 'Conflict'
    ? name
    : 'Error';
}

function endpointOf({ baseUrl, apiKey, bedrock, model, demo }: Run['model'], { ports }: Ways): ModelEndpoint {
  const gateway = ports.model === undefined ? undefined : `http://127.0.0.1:${ports.model}`;
  const url = gateway ?? baseUrl;
  return {
    demo,
    ...(bedrock || url === undefined ? {} : { baseUrl: url }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(bedrock
      ? { bedrock: { ...bedrock, ...(gateway ? { ANTHROPIC_BEDROCK_BASE_URL: gateway } : {}) } }
      : {}),
    ...(model === undefined ? {} : { model }),
  };
}
