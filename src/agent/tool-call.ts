// A call of a tool as it is judged before it runs.

export interface ToolCall {
  readonly tool: string;
  readonly input: unknown;
  /** The shell's current directory: where relative paths begin. */
  readonly cwd: string;
}
