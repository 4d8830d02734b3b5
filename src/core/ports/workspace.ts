// The files of a session's working directory, read from a stored generation: no agent is started for it.
import type { SessionHead } from '../records.ts';

/** One entry of a folder. Names are text; one that is no valid Unicode is shown so, and cannot be opened. */
export interface FolderEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link';
  /** Of a file. */
  readonly bytes: number | null;
  readonly modifiedAtMs: number;
}

export interface StoredFileContent {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedAtMs: number;
  /** In order; each piece is checked against its hash before it is given out. */
  read(): AsyncIterable<Uint8Array>;
}

/** Reads what the session's newest generation holds. Throws Corrupt when it cannot be read back as it was written. */
export interface WorkspaceReader {
  /** What is in a folder, by name, folders first; `` for the working directory itself. null where there is no such folder. */
  list(head: SessionHead, folder: string): Promise<readonly FolderEntry[] | null>;
  /** null where there is no such file; links are not followed. */
  open(head: SessionHead, path: string): Promise<StoredFileContent | null>;
}
