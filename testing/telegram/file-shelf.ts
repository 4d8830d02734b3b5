// The files of one fake bot, as Telegram keeps them: an id that never changes, a path that is good for a download, and the
// documented limit of what is given out.
import { createHash } from 'node:crypto';
import { badRequest } from './bot-api-error.ts';

/** What Telegram's own server gives out. */
const MAX_BYTES = 20 * 1024 * 1024;

export interface KeptFile {
  readonly file_id: string;
  readonly file_unique_id: string;
  readonly file_size: number;
}

export interface FileShelf {
  /** `bytes` may be left out for a file of which only the size matters. */
  keep(content: Uint8Array | { readonly size: number }): KeptFile;
  /** The answer to `getFile`. */
  find(fileId: string): KeptFile & { readonly file_path: string };
  /** What lies at a path; null for none. */
  at(path: string): Uint8Array | null;
  /** Telegram has it no more. */
  lose(fileId: string): void;
  /** As a Bot API server with `--local` answers: paths of this machine, and no limit. */
  nameLocally(pathOf: (fileId: string) => string): void;
  /** What the bot sent, by its id. */
  readonly kept: ReadonlyMap<string, Uint8Array>;
}

export function createFileShelf(): FileShelf {
  const files = new Map<string, { readonly kept: KeptFile; readonly bytes: Uint8Array }>();
  let localPath: ((fileId: string) => string) | null = null;
  return {
    keep(content) {
      const bytes = 'size' in content ? new Uint8Array() : content;
      const size = 'size' in content ? content.size : content.length;
      const id = `AgAC${files.size + 1}-${createHash('sha256').update(bytes).digest('base64url').slice(0, 24)}`;
      const kept = { file_id: id, file_unique_id: `U${files.size + 1}`, file_size: size };
      files.set(id, { kept, bytes });
      return kept;
    },
    find(fileId) {
      const found = files.get(fileId);
      if (!found) throw badRequest('wrong file_id or the file is temporarily unavailable');
      if (localPath) return { ...found.kept, file_path: localPath(fileId) };
      if (found.kept.file_size > MAX_BYTES) throw badRequest('file is too big');
      return { ...found.kept, file_path: `documents/${fileId}` };
    },
    at: (path) => files.get(path.replace(/^documents\//, ''))?.bytes ?? null,
    lose: (fileId) => void files.delete(fileId),
    nameLocally(pathOf) {
      localPath = pathOf;
    },
    get kept() {
      return new Map([...files].map(([id, { bytes }]) => [id, bytes]));
    },
  };
}
