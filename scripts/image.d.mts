import type { BuiltFunction } from './functions.mjs';

export function assembleContext(folder: string): Promise<BuiltFunction>;
export function assembleTree(folder: string, options?: { readonly agent?: string }): Promise<void>;
export function handlerOfImage(): string;
export const SAMPLE: Readonly<Record<string, string>>;
