// What the runner needs to know of a transcript (`projects/session/<session_id>.jsonl`, append-only JSON lines):
// where the conversation stands before a turn, and the proof that a resumed turn went on from there.
import { createHash } from 'node:crypto';
import { openTranscript, readTranscript } from './transcript-file.ts';

export interface TranscriptMark {
  readonly bytes: number;
  /** Hash of the last `windowBytes` before `bytes`. */
  readonly tailHash: string;
  readonly windowBytes: number;
  /** The ids of the entries in the window; new entries must name one of them as their parent. */
  readonly ids: ReadonlySet<string>;
  /** The shell's working directory when the last entry was written. */
  readonly cwd: string | null;
}

interface Entry {
  readonly type?: string;
  readonly uuid?: string;
  readonly parentUuid?: string | null;
  readonly logicalParentUuid?: string | null;
  readonly isSidechain?: boolean;
  readonly cwd?: string;
}

const FIRST_WINDOW_BYTES = 256 * 1024;

/** null when there is no transcript, or nothing of a conversation in it. */
export async function markTranscript(path: string): Promise<TranscriptMark | null> {
  const bytes = await sizeOf(path);
  if (bytes === 0) return null;
  // The end of the file tells it nearly always; one long entry may push the rest out of the window.
  for (let windowBytes = FIRST_WINDOW_BYTES; ; windowBytes *= 8) {
    const window = await readAt(path, Math.max(0, bytes - windowBytes), Math.min(bytes, windowBytes));
    const entries = entriesOf(window);
    const ids = new Set(entries.flatMap((entry) => (entry.uuid && !entry.isSidechain ? [entry.uuid] : [])));
    const whole = windowBytes >= bytes;
    if (!whole && ids.size === 0) continue;
    if (ids.size === 0) return null;
    return {
      bytes,
      tailHash: hashOf(window),
      windowBytes: window.length,
      ids,
      cwd: entries.findLast((entry) => entry.cwd !== undefined && !entry.isSidechain)?.cwd ?? null,
    };
  }
}

/**
 * True when the transcript still begins with what was there before and what came after hangs on it. Entries
 * that name no parent at all (a compaction's summary names its logical one) do not count against it, but
 * at least one must continue the conversation, unless nothing was added.
 */
export async function continuesFrom(path: string, mark: TranscriptMark): Promise<boolean> {
  const bytes = await sizeOf(path);
  if (bytes < mark.bytes) return false;
  const before = await readAt(path, mark.bytes - mark.windowBytes, mark.windowBytes);
  if (hashOf(before) !== mark.tailHash) return false;
  const added = entriesOf(await readAt(path, mark.bytes, bytes - mark.bytes));
  const chained = added.filter((entry) => entry.uuid && !entry.isSidechain);
  if (chained.length === 0) return true;
  return chained.some((entry) => mark.ids.has(entry.parentUuid ?? entry.logicalParentUuid ?? ''));
}

/** What was written behind the first `start` bytes. */
export async function readTranscriptFrom(path: string, start: number): Promise<string> {
  return (await readAt(path, start, Math.max(0, (await sizeOf(path)) - start))).toString();
}

/** Whether anybody has said anything in it. null when there is no file, or when it holds what cannot be read. */
export async function holdsConversation(path: string): Promise<boolean | null> {
  const text = await readTranscript(path);
  if (text === null) return null;
  const entries = entriesOf(text);
  const isSaid = ({ type, isSidechain }: Entry) => (type === 'user' || type === 'assistant') && !isSidechain;
  if (entries.some(isSaid)) return true;
  return entries.length === text.split('\n').filter((line) => line.trim() !== '').length ? false : null;
}

/** After a hard kill: takes away a last line that was not written to its end. */
export async function dropTornLine(path: string): Promise<void> {
  const bytes = await sizeOf(path);
  if (bytes === 0) return;
  for (let windowBytes = FIRST_WINDOW_BYTES; ; windowBytes *= 8) {
    const start = Math.max(0, bytes - windowBytes);
    const window = await readAt(path, start, bytes - start);
    const end = window.lastIndexOf(0x0a) + 1;
    if (end === window.length) return;
    if (end > 0 || start === 0) return cutAt(path, start + end);
  }
}

function entriesOf(window: Buffer | string): Entry[] {
  return window
    .toString()
    .split('\n')
    .flatMap((line) => {
      try {
        const value: unknown = JSON.parse(line);
        return typeof value === 'object' && value !== null ? [value as Entry] : [];
      } catch {
        return [];
      }
    });
}

async function sizeOf(path: string): Promise<number> {
  const file = await openTranscript(path, 'read');
  if (!file) return 0;
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

async function readAt(path: string, start: number, length: number): Promise<Buffer> {
  const file = await openTranscript(path, 'read');
  if (!file) return Buffer.alloc(0);
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function cutAt(path: string, length: number): Promise<void> {
  const file = await openTranscript(path, 'change');
  try {
    await file?.truncate(length);
  } finally {
    await file?.close();
  }
}

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
