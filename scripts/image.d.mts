import type { BuildOptions, BuiltFunction } from './functions.mjs';

export function assembleContext(
  folder: string,
  options?: BuildOptions,
): Promise<Pick<BuiltFunction, 'bytes' | 'modules'>>;
export function assembleTree(
  folder: string,
  options?: BuildOptions & { readonly agent?: string },
): Promise<void>;
export function handlerOfImage(): string;
export const SAMPLE: Readonly<Record<string, string>>;
