// One turn on one machine: a directory made for it, state laid in, the agent run, the new state taken out.
import type { SessionId, Tenant } from '../ids.ts';
import type { Json, TurnRequest } from '../messages.ts';
import type { Lease, SessionHead, Usage } from '../records.ts';
import type { ModelCall } from '../timeline.ts';
import type { TurnEvent } from './channel.ts';

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
  }): Promise<CheckpointResult>;
  /** Merges packs so that the generation needs at most 8, and names what nothing refers to any more. */
  compact(
    head: SessionHead,
    fence: number,
  ): Promise<{ readonly state: Json; readonly garbage: readonly string[] } | null>;
  /** Deletes objects that nothing refers to, after the head that forgot them is committed. */
  collect(keys: readonly string[]): Promise<void>;
  /** Deletes every object of a session. */
  erase(tenant: Tenant, sessionId: SessionId): Promise<void>;
}

export interface AgentRun {
  readonly sessionId: SessionId;
  /** False on the session's first turn. */
  readonly resume: boolean;
  /** True when the state already holds this turn's prompt (an earlier part was cut off): go on, don't repeat it. */
  readonly continuing: boolean;
  readonly directory: ExecutionDirectory;
  readonly request: TurnRequest;
  readonly progress: (event: TurnEvent) => void;
  /** Times this turn was taken up, this one included: after the first, one failed request says enough. */
  readonly tries: number;
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
}
