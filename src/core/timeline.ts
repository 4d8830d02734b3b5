// Where one turn's time went: kept with its ledger line, shown by `turns show`, exported as metrics and traces. It is for
// people and never decides anything; it holds no text of anybody. Times are milliseconds since the message was accepted,
// by the clock of the worker that settled the turn (what another clock says of the beginning may be off by their difference).

/**
 * `queue`: from the message's acceptance to this attempt. `host`: until an agent host stood ready. `agent`: the whole run,
 * in which `model` are calls as the gateway saw them and `tool` what the agent told of.
 */
export type SpanKind =
  | 'queue'
  | 'lease'
  | 'host'
  | 'restore'
  | 'agent'
  | 'model'
  | 'tool'
  | 'checkpoint'
  | 'commit'
  | 'deliver';

export interface Span {
  readonly kind: SpanKind;
  /** Of a tool. */
  readonly name?: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Timeline {
  /** Which attempt this is: an earlier one's time is in `queue`. */
  readonly attempt: number;
  readonly spans: readonly Span[];
  /** Of model calls and tools, how many are not in `spans`. */
  readonly more?: number;
  /** When the agent's first words came; null when there were none. */
  readonly firstTextMs: number | null;
  readonly totalMs: number;
  readonly host: HostFacts | null;
  /** What the infrastructure cost, without the model's tokens; absent where compute is not paid by use. */
  readonly infraUsd?: number;
}

/** What an agent host cost in this turn. */
export interface HostFacts {
  /** `hot`: the one of the turn before. `spare`: one stood ready. `new`: the turn waited for its start. */
  readonly start: 'hot' | 'spare' | 'new';
  /** How long the turn waited for it, before the session was laid out. */
  readonly waitedMs: number;
  /** Bytes of packs that it was given, and of those it saved. */
  readonly restoredBytes: number;
  readonly savedBytes: number;
  /** The most memory that its programs held at once, where that is known. */
  readonly peakMemoryBytes?: number;
}

/** A call of the model, epoch milliseconds. */
export interface ModelCall {
  readonly fromMs: number;
  readonly toMs: number;
}
