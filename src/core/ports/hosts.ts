// Where a session's agent runs. The worker decides (lease, begin, commit, deliver); the host restores the session, runs the
// agent and saves what became of it. A host serves one session and holds no right but that; what it says is checked like
// input from a stranger before it is committed. design/host.md draws the line between the two.
import type { Json } from '../messages.ts';
import type { Lease, SessionHead } from '../records.ts';
import type { HostFacts } from '../timeline.ts';
import type { ChatModelsOf } from './chat-models.ts';
import type { AgentOutcome, AgentRun, TurnMark } from './execution.ts';

/** What a host needs to know of one turn. */
export type HostRun = Omit<AgentRun, 'directory'>;

export interface SaveInput {
  /** What the save follows: the head as it was begun, or as the last save moved it. */
  readonly head: SessionHead;
  readonly generation: number;
  /** While the agent runs: what is saved is one moment of its files (MOMENT). */
  readonly running: boolean;
  /** The turn whose work is saved: it can be undone by it. */
  readonly turn?: TurnMark;
}

export interface SavedState {
  /** For the head: stored durably, and checked. */
  readonly state: Json;
  /** Entries that cannot be kept (devices, sockets, links that leave the root), with the reason in plain words. */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
  /** True when compaction is due. */
  readonly compactionDue: boolean;
}

export interface GivenAway {
  readonly bytes: number;
  readonly key: string;
}

export interface AgentHost {
  /**
   * Runs one turn of the agent. Every process of the turn is gone when it returns. What went wrong with the agent or
   * with the host is an outcome, with two exceptions, which every call of a host may throw: Conflict('host-hung') and
   * Invalid('over-limit'); see ../host-trouble.ts.
   */
  run(run: HostRun): Promise<AgentOutcome>;
  /**
   * Saves what changed since the save before. Invalid('workspace-too-large') over the limits, Refused when it may go well
   * later; the head's state stays as it is then.
   */
  save(input: SaveInput): Promise<SavedState>;
  /**
   * Puts what the agent sends (the outcome's `sent`, in its order) into the object store, each under its key, and forgets it:
   * the next save is without it. False for what could not be had. Refused when it may go well later. Absent where
   * agents send nothing.
   */
  give?(files: readonly GivenAway[]): Promise<readonly boolean[]>;
  /** What it cost so far; absent where nobody knows. */
  facts?(): HostFacts;
  /** Ends the host; with `keep` it may stay for the session's next turn, if that begins with what was saved last. */
  close(options: { readonly keep: boolean }): Promise<void>;
}

export interface AgentHosts {
  /**
   * A host for the leased session, with the session's files as the head has them. Corrupt when they cannot be restored.
   * Refused('workplace-busy') when there is no room now. A newer lease's host ends what an older one left behind.
   */
  open(lease: Lease, head: SessionHead): Promise<AgentHost>;
  /** Sends the model a minimal request: tells an outage from a request that always fails. Absent where that is not possible. */
  modelAnswers?(): Promise<boolean>;
  /** Which models a chat of this tenant may have. Absent where nobody can choose. */
  models?: ChatModelsOf;
}
