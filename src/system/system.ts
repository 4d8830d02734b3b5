// The program interface: a system as a program of yours holds it, on one machine or in front of an installation on
// AWS. Chats are named by you. What goes wrong in a turn comes back as an answer that says so; what goes wrong in
// sending, waiting or reading is thrown, in the families of `errors.ts`.
import type { SessionId, TurnId } from '../core/ids.ts';
import type { TurnEvent } from '../core/ports.ts';
import type { Reply, TurnRecord } from '../core/records.ts';

/** What the person gets: the reply with the names of where it came from. */
export interface Answer extends Pick<Reply, 'text' | 'outcome' | 'code' | 'demo' | 'usage'> {
  readonly turnId: TurnId;
  /** What the agent sent along; `fetch` answers at each `url`. */
  readonly files?: readonly AnswerFile[];
  readonly sessionId: SessionId | null;
  /** Version of the session's state after this turn. */
  readonly generation: number | null;
}

export interface AnswerFile {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: number;
  readonly caption?: string;
  /** A path of the HTTP API. */
  readonly url: string;
}

/** After `retrying` the turn starts over: throw away the text shown so far. `final` is the last one. */
export type AnswerEvent =
  | Exclude<TurnEvent, { type: 'final' }>
  | { readonly type: 'final'; readonly answer: Answer };

/**
 * A message on its way. Await it for the answer, or iterate it for what happens until then (each as often as you
 * like). Letting go of either leaves the turn running: only `stop` ends it.
 */
export interface SentTurn extends Promise<Answer>, AsyncIterable<AnswerEvent> {
  readonly turnId: TurnId;
  /** Resolves when the message is durable: from then on it is answered whatever dies. */
  readonly accepted: Promise<void>;
}

export interface SendOptions {
  /** The same key in the same chat is the same message: one turn, one answer, however often it is sent. */
  readonly idempotencyKey?: string;
  /** Ends the waiting, not the turn. */
  readonly signal?: AbortSignal;
}

/** One line of a chat's history. */
export interface Turn extends Pick<TurnRecord, 'turnId' | 'kind' | 'text' | 'status' | 'stopRequested'> {
  readonly receivedAt: Date;
  /** null until it has ended. */
  readonly answer: Answer | null;
}

export interface History {
  /** In the order they arrived. */
  readonly turns: readonly Turn[];
  /** Gives the turns before these; null at the beginning. */
  readonly cursor: string | null;
}

export interface HistoryOptions {
  /** 1 to 200; 50 when left out. */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface System {
  /** Sends a message. Chat names are 1 to 128 characters of `A-Z a-z 0-9 . _ ~ -`. */
  send(chat: string, text: string, options?: SendOptions): SentTurn;
  /** Starts a fresh session in the chat, after what was sent before. */
  startOver(chat: string, options?: SendOptions): SentTurn;
  /** Asks a chat's turns, or one turn, to stop; what was said so far is the answer. Returns how many were asked. */
  stop(what: string | { readonly turnId: string }): Promise<number>;
  /** The newest turns of a chat; none when there is no such chat. */
  history(chat: string, options?: HistoryOptions): Promise<History>;
  /** Erases a chat: turns, sessions, every stored file. false when there was none. `Conflict` while a turn runs. */
  erase(chat: string): Promise<boolean>;
  /** The HTTP API as one function, to be mounted in a server of yours. */
  readonly fetch: (request: Request) => Promise<Response>;
  /**
   * The same, for one person that your program has logged in: whatever the request says, it opens that person's own chats
   * only, and they are the speaker of what is sent. `tenant` names one of the installation's tenants. Throws
   * `Invalid('bad-user')`.
   */
  fetchAs(person: Caller): (request: Request) => Promise<Response>;
  /** Ends it. Turns that run here get `graceMs`, then they are saved, to be gone on with by the next start. */
  close(graceMs?: number): Promise<void>;
}

/** Who asks, as your program knows them. */
export interface Caller {
  /** Your own id of the person, at most 128 bytes; it never changes. */
  readonly user: string;
  /** As approvals and the agent name them. */
  readonly name?: string;
  readonly tenant?: string;
}

/**
 * Who may use `fetch`. `loopback`: requests to a name of this machine only. `trusted`: your program has checked who
 * asks. Keys: one of them as a bearer.
 */
export type Access = 'loopback' | 'trusted' | { readonly keys: readonly string[] };
