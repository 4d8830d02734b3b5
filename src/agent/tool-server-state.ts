// What became of a tool server that was tried beforehand.

export interface ToolServerState {
  readonly name: string;
  readonly started: boolean;
  /** What the CLI says of it, when it did not. */
  readonly reason: string;
  readonly tools: number;
}
