// One turn on one machine: a directory made for it, state laid in, the agent run, the new state taken out.
import type { Asked, Decided } from '../asked-call.ts';
import type { SentFile } from '../attachments.ts';
import type { EndedProgram } from '../ended-programs.ts';
import type { SessionId, Tenant, TurnId } from '../ids.ts';
import type { Json, TurnRequest } from '../messages.ts';
import type { Lease, SessionHead, Usage } from '../records.ts';
import type { AgentScheduling, ScheduleOrder } from '../schedule-orders.ts';
import type { ModelCall } from '../timeline.ts';
import type { TurnEvent } from './channel.ts';
import type { ChatModelsOf } from './chat-models.ts';

/** Where one turn's files live on this machine while it runs. */
export interface ExecutionDirectory {
  /** Becomes CLAUDE_CONFIG_DIR. */
  readonly config: string;
  /** The agent's working directory. */
  readonly workspace: string;
  /** Everything of this turn lies below it, temporary files too. */
  readonly root: string;
}

export interface Workplace {
  /** A fresh, private directory for this session; ends whatever an earlier turn of it left behind here. */
  open(lease: Lease): Promise<ExecutionDirectory>;
  /** Ends the turn's processes and removes the directory. Safe to call twice. */
  close(lease: Lease): Promise<void>;
  /**
   * Stops the turn's processes for a moment, all of them, so that a checkpoint in mid-turn holds one moment of its files.
   * null when they cannot be stopped now: then no checkpoint is taken. Absent where they never can.
   */
  pause?(lease: Lease): Promise<{ resume(): void } | null>;
  /**
   * In place of `close`: ends the turn's processes, and may keep its files for the same session's next turn here.
   * `files` need not have been committed: `reopen` compares them with what was.
   */
  keep?(lease: Lease, files: HeldFiles): Promise<void>;
  /**
   * In place of `open` and a restore: the kept files, if they are this session's, exactly this head's, and
   * nobody touched them. null in any other case; then nothing is kept any more.
   */
  reopen?(
    lease: Lease,
    head: SessionHead,
  ): Promise<{ readonly directory: ExecutionDirectory; readonly baseline: unknown } | null>;
}

/** What the checkpoint of a directory made of it. */
export interface HeldFiles {
  readonly generation: number;
  readonly baseline: unknown;
}

export interface StateLimits {
  /** Total size of the working directory, bytes. */
  readonly maxWorkspaceBytes: number;
  readonly maxWorkspaceFiles: number;
}

export interface RestoredState {
  /** Opaque to the core: what the next checkpoint compares with. */
  readonly baseline: unknown;
  readonly objectsRead: number;
  readonly bytesRead: number;
  readonly files: number;
}

export interface CheckpointResult {
  /** For the head. */
  readonly state: Json;
  /** For another checkpoint of the same turn. */
  readonly baseline: unknown;
  readonly bytesWritten: number;
  /** Entries that cannot be kept (devices, sockets, links that leave the root), with the reason in plain words. */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
  /** True when compaction is due. */
  readonly compactionDue: boolean;
}

/** The turn that a generation is of. `text`: the beginning of what was asked, for people. */
export interface TurnMark {
  readonly id: TurnId;
  readonly text: string;
}

/** A step back or forth: the generation to commit, and what the person is told. */
export interface TimelineStep {
  readonly generation: number;
  readonly state: Json;
  /** The turns that were undone, or came back; the newest first. */
  readonly turns: readonly TurnMark[];
  /** The turn after which the session now is; null where it is before its first, or at none. */
  readonly asOf: TurnMark | null;
}

/** A copy of the session that somebody took to a computer of theirs, to bring back what becomes of it. */
export interface Away {
  readonly id: string;
  readonly sinceMs: number;
}

/** A session and its fork, both to be written in one step: their packs are shared from then on. */
export interface BranchedState {
  readonly generation: number;
  readonly state: Json;
  readonly branch: Json;
  /** Sessions whose packs the fork needs. */
  readonly owners: readonly SessionId[];
}

/** Generation -> files on disk -> next generation. */
export interface SessionState {
  /** Throws Corrupt (packs unreadable or hashes wrong), never an empty session. */
  restore(head: SessionHead, directory: ExecutionDirectory): Promise<RestoredState>;
  /** Uploads only what changed. Invalid('workspace-too-large') over the limits; nothing is written then. */
  checkpoint(input: {
    readonly head: SessionHead;
    readonly generation: number;
    readonly fence: number;
    readonly baseline: unknown;
    readonly directory: ExecutionDirectory;
    /** Called when the files have been read: what follows needs the directory no more. */
    readonly onRead?: () => void;
    readonly turn?: TurnMark;
  }): Promise<CheckpointResult>;
  /** Merges packs so that the generation needs at most 8, and names what nothing refers to any more. */
  compact(
    head: SessionHead,
    fence: number,
  ): Promise<{
    readonly state: Json;
    readonly garbage: readonly string[];
    readonly shared?: boolean;
  } | null>;
  /**
   * Deletes objects that nothing refers to, after the head that forgot them is committed. `shared`: those that another
   * session still needs stay.
   */
  collect(keys: readonly string[], options?: { readonly shared?: boolean }): Promise<void>;
  /**
   * Deletes every object of a session but those that its forks need; and, of a fork whose last `state` is given, those of
   * other sessions that only it needed.
   */
  erase(tenant: Tenant, sessionId: SessionId, state?: Json | null): Promise<void>;
  /** Objects of a session that other sessions need. */
  lent(tenant: Tenant, sessionId: SessionId): Promise<ReadonlySet<string>>;

  /** The turns that can be undone, the newest first. */
  undoable(head: Pick<SessionHead, 'state'>): readonly TurnMark[];
  /** Back to before the last `turns` turns; null when not so many can be undone. Nothing is read or written. */
  undo(head: SessionHead, turns: number): TimelineStep | null;
  /** The turns that `redo` brings back, the newest first. */
  redoable(head: Pick<SessionHead, 'state'>): readonly TurnMark[];
  /** To where the session was before the last undo; null when there was none, or a turn came after it. */
  redo(head: SessionHead): TimelineStep | null;
  /** True for a session in which all that was said has been undone. */
  isBlank(head: Pick<SessionHead, 'state'>): boolean;
  /**
   * Prepares a fork of the session as `sessionId`; null for one without a state. To be committed only if the session has
   * not moved meanwhile.
   */
  branch(head: SessionHead, sessionId: SessionId): Promise<BranchedState | null>;
  /** null for a session that goes on here. */
  awayOf(head: Pick<SessionHead, 'state'>): Away | null;
  /** The next generation, with the same files, that goes on here; null for one that is not away. */
  claim(
    head: Pick<SessionHead, 'generation' | 'state'>,
  ): { readonly generation: number; readonly state: Json } | null;
  /** Claude's own id of the conversation: of a fork that of the session it was made from. */
  agentSessionOf(head: SessionHead): SessionId;
}

/** What a person wrote to the turn that runs. */
export interface SteeringMessage {
  readonly turnId: TurnId;
  readonly text: string;
}

/** The way of such messages to the agent. */
export interface Steering {
  /** Called with each message as it is seen, those that wait already included; returns what ends it. */
  listen(take: (message: SteeringMessage) => void): () => void;
  /** The agent has it: from now on it stands in the conversation. */
  took(turnId: TurnId): void;
}

/** A file that came with the turn's message. */
export interface GivenFile {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: number;
  /** Of the object that holds it. */
  readonly key: string;
  /** Gone('no-object') when it is not there any more. */
  read(): AsyncIterable<Uint8Array>;
}

export interface AgentRun {
  readonly sessionId: SessionId;
  /** Claude's own id of the conversation, where it is not the session's (a fork's). */
  readonly agentSessionId?: SessionId;
  /** False on the session's first turn. */
  readonly resume: boolean;
  /** True when the state already holds this turn's prompt (an earlier part was cut off): go on, don't repeat it. */
  readonly continuing: boolean;
  readonly directory: ExecutionDirectory;
  readonly request: TurnRequest;
  /** What came with the message, to be laid into the working directory. */
  readonly files?: readonly GivenFile[];
  /** What people decided about calls of tools, and what they allowed for this chat; nothing where it is left out. */
  readonly decided?: Decided;
  /** The model that the chat has chosen; it holds where the agent may have it. */
  readonly model?: string;
  readonly progress: (event: TurnEvent) => void;
  /** Times this turn was taken up, this one included: after the first, one failed request says enough. */
  readonly tries: number;
  /** Without it the agent cannot schedule anything. */
  readonly scheduling?: AgentScheduling;
  /** Without it nothing reaches the agent while it runs. */
  readonly steering?: Steering;
  /** Aborts to stop: `reason` is 'stop' (the user), 'deadline' or 'lost' (no longer ours). */
  readonly signal: AbortSignal;
}

export interface AgentOutcome {
  readonly status: 'ok' | 'stopped' | 'deadline' | 'failed';
  /** The final text; what there is of it when stopped. */
  readonly text: string;
  readonly demo: boolean;
  readonly usage?: Usage;
  /** The model's calls, as the gateway saw them. */
  readonly calls?: readonly ModelCall[];
  /** What the agent sends to the person, in order; to be had by `AgentHost.give`. */
  readonly sent?: readonly SentFile[];
  /** Programs that the agent left running, and that were ended with the turn. */
  readonly ended?: readonly EndedProgram[];
  /** Of an `ok` run: it waits for people, and goes on with a run whose `decided` names these calls. */
  readonly asked?: Asked;
  /** What the agent ordered about schedules in this turn, earlier parts of it included. */
  readonly schedules?: readonly ScheduleOrder[];
  /** Tokens that the conversation took of the model's context in the last request. */
  readonly contextTokens?: number;
  /**
   * Of a `failed` run. `model-unavailable`: nothing wrong here, try later. `agent-crashed`: its process was killed
   * (memory, a signal), worth another attempt. `agent-error`: the agent's own failure, told to the user.
   * `resume-lost`: the CLI did not load the conversation it was given.
   */
  readonly failure?: {
    readonly code: 'model-unavailable' | 'agent-crashed' | 'agent-error' | 'resume-lost';
    readonly message: string;
    /** Of `model-unavailable`: the HTTP status, null without an answer, and the time that the model's server named. */
    readonly status?: number | null;
    readonly retryAfterMs?: number;
  };
}

/** Runs one turn of the agent over a restored directory. All processes it started are gone when it returns. */
export interface AgentRunner {
  run(run: AgentRun): Promise<AgentOutcome>;
  /** Sends the model a minimal request: tells an outage from a request that always fails. Absent where that is not possible. */
  modelAnswers?(): Promise<boolean>;
  /** Which models a chat of the tenant may have. Absent where nobody can choose. */
  models?: ChatModelsOf;
}
