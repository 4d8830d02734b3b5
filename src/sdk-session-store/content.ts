// What an instance knows of a session's newest generation: its packs, how long each transcript's chunk list is, and
// (of those it has read) which entries they hold. Losing it costs a reading, never data.
import type { SessionHead } from '../core/records.ts';
import { newest, type StateRecord } from '../state/record.ts';
import type { Table } from '../state/table.ts';
import type { KnownEntries } from './known-entries.ts';
import type { PackIndex } from './reading.ts';
import { NO_FACTS, readTranscriptState, type TranscriptFacts } from './transcript-state.ts';

export interface TranscriptFile {
  readonly chunks: number;
  readonly bytes: number;
}

export interface Content {
  readonly head: SessionHead;
  readonly record: StateRecord | null;
  readonly facts: TranscriptFacts;
  /** Entries of the table, folders too. */
  readonly entries: number;
  readonly files: ReadonlyMap<string, TranscriptFile>;
  /** Of the transcripts read so far. */
  readonly known: ReadonlyMap<string, KnownEntries>;
  /** Where chunks lie; null once an append has moved on from the generation that was read. */
  readonly index: PackIndex | null;
}

/** A session whose head has no state yet. */
export function emptyContent(head: SessionHead): Content {
  const none = { files: new Map(), known: new Map(), index: null };
  return { head, record: null, facts: NO_FACTS, entries: 0, ...none };
}

export function contentOf(head: SessionHead, index: PackIndex, known: Content['known']): Content {
  const state = readTranscriptState(head);
  if (state === null) return emptyContent(head);
  const { table } = index.generation;
  return { head, ...state, entries: table.size, files: filesIn(table), known, index };
}

function filesIn(table: Table): Map<string, TranscriptFile> {
  const files = new Map<string, TranscriptFile>();
  for (const [path, entry] of table) {
    if (entry.kind === 'file') files.set(path, { chunks: entry.chunks.length, bytes: entry.bytes });
  }
  return files;
}

export function bytesIn(files: Content['files']): number {
  let bytes = 0;
  for (const file of files.values()) bytes += file.bytes;
  return bytes;
}

export function packsOf(content: Content) {
  return content.record === null ? [] : newest(content.record).packs;
}
