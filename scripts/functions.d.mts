export interface BuiltFunction {
  /** What the function reads when it starts. */
  readonly bytes: number;
  /** Paths of the modules in it. */
  readonly modules: readonly string[];
}
export function buildFunctions(folder: string): Promise<Readonly<Record<string, BuiltFunction>>>;
export function compressedBytes(folder: string): number;
