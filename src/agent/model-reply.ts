// What a model answers, before it is put on the wire: blocks of text and tool calls, and the tokens they cost.

export type ModelBlock =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'tool_use';
      readonly id?: string;
      readonly name: string;
      readonly input: Readonly<Record<string, unknown>>;
    };

export interface ModelReply {
  readonly blocks: readonly ModelBlock[];
  /** Pause before each streamed piece of text. */
  readonly pauseMs?: number;
  /** Characters in one streamed piece of text. */
  readonly pieceLength?: number;
  /** The last streamed piece of each text waits for it. */
  readonly lastPieceAfter?: Promise<void>;
  /** By default what the blocks say: a tool is wanted, or the answer ends. */
  readonly stopReason?: 'end_turn' | 'max_tokens' | 'tool_use';
  readonly usage?: {
    readonly inputTokens?: number;
    readonly outputTokens?: number;
    readonly cacheReadTokens?: number;
    readonly cacheWriteTokens?: number;
  };
}
