// The context of a running turn, which every step of it is given, and the ways in which a turn can end.

import type { Consent } from './consent.ts';
import { Invalid } from './errors.ts';
import type { SessionId, SessionKey, TurnId } from './ids.ts';
import type { Log } from './log.ts';
import type { AttachedFiles, LostFile } from './lost-files.ts';
import type { TurnRequest } from './messages.ts';
import type { OfferedCommand } from './offered-commands.ts';
import type {
  AgentHosts,
  BeginResult,
  Channel,
  Clock,
  ForkInput,
  ObjectStore,
  OpenedConversation,
  SessionState,
  SessionStore,
  Transcriber,
  TurnEvent,
  UsageLedger,
  WaitingFor,
} from './ports.ts';
import type { TimelineRecorder } from './record-timeline.ts';
import type { Reply, TurnRecord } from './records.ts';
import type { RetryWriteOptions } from './retry-write.ts';
import type { Scheduling } from './scheduling.ts';
import type { Settled } from './settle-answer.ts';
import type { StandingOf } from './standing.ts';
import type { SteeredTurn } from './steering.ts';
import type { Timeline } from './timeline.ts';
import type { TurnPoint } from './turn-points.ts';

export { TURN_POINTS, type TurnPoint } from './turn-points.ts';

export interface TurnTiming {
  /** How long a lease lives without a heartbeat. */
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  /** How often a running turn looks whether it is to stop; at every heartbeat when left out. */
  readonly stopEveryMs?: number;
  /** A checkpoint this often while the agent runs; 0 for none. */
  readonly checkpointEveryMs: number;
}

export interface TurnDeps {
  readonly store: SessionStore;
  /** What the worker does to stored generations by itself. */
  readonly state: Pick<
    SessionState,
    | 'compact'
    | 'collect'
    | 'undoable'
    | 'undo'
    | 'redo'
    | 'isBlank'
    | 'branch'
    | 'agentSessionOf'
    | 'awayOf'
    | 'claim'
  >;
  readonly hosts: AgentHosts;
  /** Where files of messages and replies lie; without it there are none. */
  readonly objects?: ObjectStore;
  /** Hears voice messages; without it they are files. */
  readonly transcriber?: Transcriber;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: TurnTiming;
  readonly retentionSec: number;
  /** After this many begun attempts the turn is given up with an honest message. */
  readonly maxAttempts: number;
  /** Queues a message that is in the ledger; without it no conversation is opened with one. */
  readonly send?: (request: TurnRequest) => Promise<void>;
  /** For `/cost`. */
  readonly usage?: Pick<UsageLedger, 'read'>;
  /** What the infrastructure of a turn cost, by its timeline, where compute is paid by use. */
  readonly infraUsdOf?: (timeline: Timeline) => number;
  /** Schedules of the chat; without it nothing can be scheduled here. */
  readonly scheduling?: Scheduling;
  /** Erases a chat but for the line of the turn that orders it, for `/forget`; without it nobody can from a chat. */
  readonly forget?: (key: SessionKey, by: TurnId) => Promise<void>;
  /** What `hybrid-sessions pull` has to be told here to find the stores; nothing where it is left out. */
  readonly pullOptions?: string;
  /** Besides those that every chat knows, for `/help`. */
  readonly commands?: readonly OfferedCommand[];
  /** Every tenant is served where it is left out. */
  readonly standing?: StandingOf;
  /** Tells the owner's programs that a committed turn has ended; asked again when it was cut off. */
  readonly announce?: (turn: TurnRecord) => Promise<void>;
  /** Told of every turn that this worker closed, after its person has the reply. Must not throw. */
  readonly onClosed?: (turn: ClosedTurn) => void;
  /** For fault injection; production passes nothing. */
  readonly at?: (point: TurnPoint) => Promise<void> | void;
}

/** For metrics and traces: no text of anybody. */
export interface ClosedTurn {
  readonly request: Pick<TurnRequest, 'turnId' | 'kind' | 'receivedAtMs' | 'conversation'>;
  readonly sessionId: SessionId;
  readonly outcome: Reply['outcome'];
  readonly timeline: Timeline;
}

export interface TurnContext {
  readonly owner: string;
  /** Keeps the queue message invisible while the turn lives. */
  readonly onBeat: () => Promise<void>;
  /** Times the queue handed this message out, this one included. */
  readonly receives: number;
  /** Aborts when this worker must stop and another one must continue the turn: at its deadline, or when it ends. */
  readonly deadline: AbortSignal;
}

export type TurnOutcome =
  | { readonly kind: 'done' }
  /** The reply is out and says that the turn failed for good; a person should look. */
  | { readonly kind: 'dead'; readonly reason: string }
  | {
      readonly kind: 'retry';
      readonly afterMs: number;
      readonly reason: string;
      /** Set while a service that the turn needs is unreachable: such a wait is never shortened. */
      readonly waitingFor?: WaitingFor;
    }
  /** Cut off at the deadline with its state saved: to be continued at once. */
  | { readonly kind: 'continue' };

/** One attempt, from its lease on. */
export interface RunningTurn extends Pick<BeginResult, 'lease' | 'head'> {
  readonly deps: TurnDeps;
  readonly request: TurnRequest;
  /** The ledger line as it was begun. */
  readonly record: BeginResult['turn'];
  readonly channel: Channel;
  /** Times this message was taken up, this one included. */
  readonly tries: number;
  /** Aborts with a reason: 'stop' (the person's wish), 'deadline', or 'lost' (the lease). */
  readonly signal: AbortSignal;
  /** Where the time goes. */
  readonly timeline: TimelineRecorder;
  /** Shows the person what happens. */
  readonly progress: (event: TurnEvent) => void;
  readonly steering: SteeredTurn;
  /** See `Channel.openConversation`; null where the channel has none. */
  readonly openConversation: (name: string) => Promise<OpenedConversation | null>;
}

/** One that is to run, with what people have decided. */
export interface AnsweredTurn extends RunningTurn {
  readonly settled: Extract<Settled, { readonly run: unknown }>;
  readonly attached: AttachedFiles;
  /** Voice messages that are only files to the agent. */
  readonly unheard: readonly LostFile[];
}

/** What to commit. */
export interface Decision {
  readonly baseGeneration: number;
  readonly generation: number;
  readonly state: BeginResult['head']['state'];
  readonly reply: Reply;
  readonly repointTo?: SessionId;
  readonly returnTo?: SessionId;
  readonly fork?: ForkInput;
  /** Left out: as it was. */
  readonly consent?: Consent;
  readonly dead?: string;
  readonly compactionDue?: boolean;
}

/** A reply over the state as it was last moved. */
export function unchanged({ head }: Pick<RunningTurn, 'head'>, reply: Reply): Decision {
  const { generation, state } = head;
  return { baseGeneration: generation, generation, state, reply };
}

/** Nothing to commit yet. */
export type NotNow =
  | { readonly notNow: 'continue' | 'agent-crashed' }
  | { readonly notNow: 'model-unavailable'; readonly retryAfterMs: number };

/** For writes after the agent has run; the person is told when one has to be repeated. */
export function retryOptionsOf({ deps, signal, progress }: RunningTurn): RetryWriteOptions {
  const { clock, log } = deps;
  const onRepeat = () =>
    progress({ type: 'status', status: 'waiting', waitingFor: 'store', nextTryAtMs: null });
  return { clock, log, signal, onRepeat };
}

export function channelOf(deps: Pick<TurnDeps, 'channels'>, request: TurnRequest): Channel {
  const channel = deps.channels.get(request.conversation.channel);
  if (channel) return channel;
  throw new Invalid('unknown-channel', `No channel "${request.conversation.channel}" is configured here.`);
}
