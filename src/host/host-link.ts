// The worker's end of the line to one host process: sends frames, waits for the answers, bounds what comes. A host that is
// silent for too long, says what no host says, or says too much is ended; whoever waits for it hears `host-gone`.
import type { Readable, Writable } from 'node:stream';
import { Conflict, Corrupt, Invalid, Refused } from '../core/errors.ts';
import { type HostStep, hostHung, hostOverLimit } from '../core/host-trouble.ts';
import { errorFields, type Log } from '../core/log.ts';
import { readFrames, writeFrame } from './frames.ts';
import { HOST_PATIENCE } from './patience.ts';
import { fromHostSchema, type HeardFromHost, MAX_PROGRESS_BYTES, type ToHost } from './protocol.ts';
import { type Activity, watchSilence } from './silence.ts';

type Of<T extends HeardFromHost['type']> = Extract<HeardFromHost, { type: T }>;
type Answer = 'ready' | 'opened' | 'ended' | 'saved' | 'resting' | 'given';

/** What a host says without being asked for it. */
export interface HostEvents {
  onProgress(event: Of<'progress'>['event']): void;
  onNeed(name: string): void;
  onTook(turnId: string): void;
  onPack(name: string, bytes: number): void;
}

/** A started host: descriptor 3 carries the frames, descriptor 4 the bytes of packs. */
export interface HostProcess {
  readonly stdio: readonly (Readable | Writable | null)[];
  /** Ends it and everything in it at once. */
  kill(): void;
  /** What its programs held at most since the last call; null or absent where nobody looks. */
  peakMemoryBytes?(): number | null;
  /** Where the system tells something of it. */
  readonly activity?: () => Promise<Activity | null>;
  /** Resolves when nothing of it runs any more. */
  readonly ended: Promise<HostEnd>;
}

export interface HostEnd {
  readonly failure?: string;
  /** We ended it for this; a sentence fit for the person in the chat. */
  readonly overLimit?: { readonly limit: string; readonly message: string };
  /** What whoever waits for it is told instead of `host-gone`. */
  readonly error?: Error;
}

export interface HostLink {
  readonly process: HostProcess;
  readonly isAlive: () => boolean;
  /** What is told from here on; a spare host has nothing to tell. */
  listen(events: HostEvents): void;
  send(frame: ToHost): void;
  /**
   * Sends `frame` and waits for its answer; a host that takes longer than `withinMs` is ended. Throws the host's own
   * failure, Conflict('host-gone' | 'host-hung') or Invalid('over-limit').
   */
  ask<T extends Answer>(frame: ToHost, answer: T, withinMs?: number): Promise<Of<T>>;
  /** Ends the host unless what it was asked for is answered by then. */
  hurry(answer: Answer, withinMs: number): void;
  /** Resolves when the process is gone. */
  readonly ended: Promise<HostEnd>;
  kill(): void;
}

/** A store's refusal as a host tells it: worth no more than the host's word. */
export class RefusedByWord extends Refused {}

const STEP = {
  ready: 'start',
  opened: 'restore',
  ended: 'run',
  saved: 'save',
  resting: 'run',
  given: 'save',
} as const satisfies Record<Answer, HostStep>;

const FAILED_AT = { boot: 'ready', open: 'opened', save: 'saved', rest: 'resting', give: 'given' } as const;

export function createHostLink(
  process: HostProcess,
  log: Log,
  { silentMs }: { readonly silentMs: number } = HOST_PATIENCE,
): HostLink {
  const frames = process.stdio[3] as Readable & Writable;
  const waiting = new Map<Answer, { resolve(frame: never): void; reject(error: unknown): void }>();
  let events: HostEvents | null = null;
  let progressBytes = 0;
  /** It rests, and need not say anything. */
  let isResting = false;
  let why = 'it ended';
  let error: Error | undefined;

  let alive = true;
  const ended = process.ended.then((end) => {
    alive = false;
    const { overLimit } = end;
    error = end.error ?? (overLimit ? hostOverLimit(overLimit.limit, overLimit.message) : error);
    why = end.failure ?? why;
    return end;
  });

  function fail(reason: string): void {
    why = reason;
    process.kill();
  }

  function hung(reason: string): void {
    const [step] = waiting.keys();
    error ??= hostHung(step ? STEP[step] : 'run', reason);
    fail(reason);
  }

  const { activity } = process;
  const silence = watchSilence({ silentMs, activity, onSilent: () => hung('it stopped answering') });

  function hurry(type: Answer, withinMs: number): void {
    const asked = waiting.get(type);
    setTimeout(() => {
      if (asked && waiting.get(type) === asked) hung('it took too long');
    }, withinMs).unref();
  }

  function take(frame: HeardFromHost): void {
    if (!isResting) silence.heard();
    switch (frame.type) {
      case 'beat':
        return;
      case 'progress':
        progressBytes += JSON.stringify(frame.event).length;
        if (progressBytes <= MAX_PROGRESS_BYTES) events?.onProgress(frame.event);
        return;
      case 'log':
        log(frame.level, 'agent-host', { told: frame.event, ...frame.fields });
        return;
      case 'took':
        events?.onTook(frame.turnId);
        return;
      case 'need':
        events?.onNeed(frame.name);
        return;
      case 'pack':
        events?.onPack(frame.name, frame.bytes);
        return;
      case 'failed':
        answer(FAILED_AT[frame.at])?.reject(errorOf(frame));
        return;
      case 'resting':
        isResting = frame.cold === undefined;
        if (isResting) silence.rest();
        answer(frame.type)?.resolve(frame as never);
        return;
      default:
        answer(frame.type)?.resolve(frame as never);
    }
  }

  function answer(type: Answer) {
    const pending = waiting.get(type);
    waiting.delete(type);
    if (!pending) fail('it answered what was not asked');
    return pending;
  }

  async function listen(): Promise<void> {
    try {
      for await (const frame of readFrames(frames, (value) => fromHostSchema.parse(value))) take(frame);
    } catch (error) {
      why = 'it said what is no frame';
      log('warn', 'host-broke-protocol', errorFields(error));
    }
    process.kill();
    await ended;
    silence.end();
    for (const { reject } of waiting.values()) reject(error ?? hostGone(why));
    waiting.clear();
  }

  frames.on('error', () => {});
  void listen();
  return {
    process,
    isAlive: () => alive,
    listen: (next) => {
      events = next;
    },
    send: (frame) => void writeFrame(frames, frame),
    async ask(frame, type, withinMs) {
      if (!alive) throw error ?? hostGone(why);
      if (waiting.has(type)) throw new Error(`The host was asked twice for ${type}.`);
      const answered = new Promise<Of<typeof type>>((resolve, reject) => {
        waiting.set(type, { resolve: resolve as (frame: never) => void, reject });
      });
      if (withinMs !== undefined) hurry(type, withinMs);
      if (isResting) {
        isResting = false;
        silence.heard();
      }
      if (frame.type === 'run') progressBytes = 0;
      writeFrame(frames, frame);
      return await answered;
    },
    hurry,
    ended,
    kill: process.kill,
  };
}

function hostGone(why: string): Conflict {
  return new Conflict('host-gone', `The agent host is gone: ${why}.`);
}

export function isHostGone(error: unknown): boolean {
  return error instanceof Conflict && error.code === 'host-gone';
}

/** In the worker's own words where they matter: what a host calls a lost lease or an outage is none. */
function errorOf({ family, code, message, advice }: Of<'failed'>): Error {
  const data = advice === undefined ? {} : { advice };
  if (family === 'Corrupt') return new Corrupt(code, message, data);
  if (family === 'Invalid') return new Invalid(code, message, data);
  if (family === 'Refused') return new RefusedByWord(code, message, data);
  return new Conflict('host-failed', `The agent host failed: ${message}`, data);
}
