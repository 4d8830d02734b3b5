// Immutable blobs. `put` never overwrites, so a reader can never see a half-changed object.

export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedAtMs: number;
}

/** Immutable blobs under `/`-separated keys. */
export interface ObjectStore {
  /** Puts if absent, durably, all or nothing. `exists` when the key is taken (the stored bytes stay). */
  put(
    key: string,
    body: Uint8Array | { readonly file: string; readonly bytes: number },
  ): Promise<'created' | 'exists'>;
  /** The whole object or `[start, end)` of it. Gone('no-object') if absent. */
  get(key: string, range?: { readonly start: number; readonly end: number }): Promise<Uint8Array>;
  /** The whole object in pieces, in order, without holding it in memory. Gone('no-object') if absent. */
  stream(key: string): AsyncIterable<Uint8Array>;
  /**
   * A file of this machine that holds exactly the object, to be read only; it need not exist. Absent where objects are
   * no files.
   */
  fileOf?(key: string): string;
  /** Every object whose key begins with `prefix`, in key order. */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  /** Deletes what is there of these keys; absent ones are no error. */
  delete(keys: readonly string[]): Promise<void>;
}
