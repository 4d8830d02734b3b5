export interface BuiltFunction {
  /** What the function reads when it starts. */
  readonly bytes: number;
  /** Paths of the modules in that. */
  readonly modules: readonly string[];
  /** Modules it loads when they are needed, if ever. */
  readonly later: readonly string[];
}
export interface BuildOptions {
  /** A folder whose files stand in for those of src/lambda/functions with the same name. */
  readonly programs?: string;
}
export function buildFunctions(
  folder: string,
  options?: BuildOptions,
): Promise<Readonly<Record<string, BuiltFunction>>>;
export function compressedBytes(folder: string): number;
