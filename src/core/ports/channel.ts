// What a person sees: progress while a turn runs, then one reply. Capabilities are data, not subclasses.
import type { StoredFile } from '../attachments.ts';
import type { Conversation, SessionId, Tenant, TurnId } from '../ids.ts';
import type { Json, TurnRequest } from '../messages.ts';
import type { Question } from '../question.ts';
import type { Reply, TurnRecord } from '../records.ts';

/** A part that a turn can do nothing without. */
/** `setup`: what this installation needs to begin any turn, a key for example. */
export type WaitingFor = 'model' | 'store' | 'setup';

/** What a person may watch while a turn runs. */
export type TurnEvent =
  | { readonly type: 'status'; readonly status: 'queued' | 'running' | 'retrying' | 'stopping' }
  | {
      readonly type: 'status';
      /** Something the turn needs is away. The message is kept; `waitingText` says it to a person. */
      readonly status: 'waiting';
      readonly waitingFor: WaitingFor;
      /** null while an answer to the last try is still hoped for. */
      readonly nextTryAtMs: number | null;
    }
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'tool';
      readonly id: string;
      readonly name: string;
      readonly summary: string;
      readonly state: 'started' | 'done' | 'failed';
      /** JSON of what the tool was given, cut to a size fit for an event; with `started`. */
      readonly input?: string;
      /** What it answered, cut the same way; with `done` and `failed`. */
      readonly result?: string;
      /** Hunks of a unified diff, where it changed a file. */
      readonly diff?: string;
    }
  /** People have to decide something; the turn's `final` follows. */
  | { readonly type: 'asked'; readonly questions: readonly Question[] }
  | {
      readonly type: 'final';
      readonly reply: Reply;
      readonly sessionId: SessionId;
      readonly generation: number;
    };

export interface LoggedEvent {
  /** 1, 2, 3 ... within its turn. */
  readonly sequence: number;
  readonly atMs: number;
  readonly event: TurnEvent;
}

/** What happened in a turn, for watchers who may come late or come back. Not part of any promise but their order. */
export interface EventLog {
  /** A turn's events end with its first `final`: whatever comes after it, from whichever worker, is dropped. */
  append(tenant: Tenant, turnId: TurnId, events: readonly TurnEvent[]): Promise<void>;
  /** Events after `afterSequence`; waits up to `waitMs` for the first one. */
  read(
    tenant: Tenant,
    turnId: TurnId,
    afterSequence: number,
    options: { readonly waitMs: number; readonly signal?: AbortSignal },
  ): Promise<readonly LoggedEvent[]>;
}

export interface ChannelCapabilities {
  /** A sent message can be changed: the final text lands by editing one whose id was recorded before. */
  readonly edit: boolean;
  readonly markdown: boolean;
  /** Longest text of one outgoing message, in the platform's own units; longer replies are split. */
  readonly maxTextLength: number;
  /** `deliver` brings the reply's files; where it is left out, people read their names. */
  readonly files?: boolean;
  /** Questions get buttons (`Reply.asked`); where it is left out, people answer with numbers. */
  readonly buttons?: boolean;
}

/** One chat platform, outgoing side. Inlets differ too much for one shape; they end in a `TurnRequest`. */
export interface Channel {
  readonly name: string;
  readonly capabilities: ChannelCapabilities;
  /** Whether a reply to this message could be brought at all; a channel without it serves every message of its name. */
  serves?(request: TurnRequest): Promise<boolean>;
  /** Shows progress while the turn runs. Best effort: may drop events, never throws, never blocks the turn. */
  open(context: SendContext): ProgressSink;
  /**
   * Brings the committed reply to the chat. Refused: did not arrive, try later. Ambiguous: may have arrived; the
   * next call finds the anchor. Gone: can never arrive. Must be safe to call again after any of them.
   */
  deliver(context: SendContext, reply: Reply): Promise<void>;
  /** Whether the platform's message `ref` holds a reply that was sent with this note. Absent where nobody asks. */
  holds?(anchor: Json, ref: string): boolean;
  /**
   * Brings a file that the platform holds: `remote` is what the inlet wrote down for it. Invalid or Gone, with a sentence
   * for the person, when it can never be had; Refused or Ambiguous when it may be had later. Absent where none are held.
   */
  fetchFile?(request: TurnRequest, remote: Json): Promise<FetchedFile>;
  /**
   * Opens a conversation beside that of the message: a topic, a chat; without a name where the person gave none. Called
   * again for the same turn it leads to the same one. null where none can be opened here; absent where there never is one.
   */
  openConversation?(context: SendContext, name: string): Promise<OpenedConversation | null>;
}

export interface OpenedConversation extends Conversation {
  /** As people see it; without one they see its chat's or thread's id. */
  readonly title?: string;
  /** For messages that nobody wrote there. */
  readonly replyTarget?: Json;
}

export interface FetchedFile {
  readonly body: Uint8Array | { readonly file: string; readonly bytes: number };
  /** As the platform says now, where the message did not say it. */
  readonly name?: string | null;
  readonly mediaType?: string | null;
  /** Called when the body is not needed any more. */
  release?(): Promise<void>;
}

export interface SendContext {
  readonly request: TurnRequest;
  readonly tenant: Tenant;
  readonly sessionId: SessionId;
  readonly generation: number;
  /** A file of the reply; Gone('no-object') when it is not kept any more. Absent where no files are kept. */
  readFile?(file: StoredFile): AsyncIterable<Uint8Array>;
  /** What `remember` recorded last for this turn, in this or an earlier attempt. */
  readonly anchor: Json | null;
  /** Records a note durably before going on; throws Conflict('lease-lost') when this worker must not send. */
  remember(anchor: Json): Promise<void>;
  /** Absent where nothing is recorded. */
  readonly earlier?: EarlierReplies;
}

/** For a channel that may not send at any time: what it still owes the conversation goes with a later reply. */
export interface EarlierReplies {
  /** The newest turns of the conversation in arrival order, this one among them, with the notes of their sends. */
  turns(): Promise<readonly TurnRecord[]>;
  /** The reply of an `undeliverable` turn has come with this turn's: its record says so from now on. */
  brought(turnId: TurnId): Promise<void>;
}

export interface ProgressSink {
  push(event: TurnEvent): void;
  /** Flushes what is due, that something is waited for above all; after it nothing more is shown by this sink. */
  close(): Promise<void>;
}
