// Checks everything that a head refers to, without restoring it: it reads every pack whole, compares every chunk with
// its hash, and assembles every stored generation. It reports all faults instead of stopping at the first one.
import { isHybridError } from '../core/errors.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { SessionHead } from '../core/records.ts';
import { assembleGeneration, type HeaderOf } from './generation.ts';
import { chunksOf, openPack } from './pack-reader.ts';
import type { Progress } from './progress.ts';
import { packKey, packsOf, parseRecord, prefixOf } from './record.ts';
import { neededOf, type SharedPacksOptions } from './shared-packs.ts';

/** Any head, including one whose state was cut back to an older generation. */
type StateHead = Pick<SessionHead, 'tenant' | 'sessionId' | 'state'>;

export interface StateReport {
  /** Stored generations, newest last, and whether each can be restored. */
  readonly generations: readonly { readonly generation: number; readonly restorable: boolean }[];
  readonly packs: number;
  readonly chunks: number;
  readonly bytes: number;
  /** What is wrong, in plain words. Empty when all is well. */
  readonly problems: readonly { readonly code: string; readonly message: string }[];
}

/** Reads every pack of every stored generation once. Errors of the store itself (no answer) are thrown. */
export async function verifyState(
  objects: ObjectStore,
  head: StateHead,
  options: { readonly progress?: Progress } = {},
): Promise<StateReport> {
  const problems: { code: string; message: string }[] = [];
  let chunks = 0;
  let bytes = 0;

  /** Adds damage to the report; throws every other error on. */
  function note(error: unknown): void {
    if (!isHybridError(error) || error.name !== 'Corrupt') throw error;
    if (!problems.some((problem) => problem.message === error.message)) {
      problems.push({ code: error.code, message: error.message });
    }
  }

  let record: ReturnType<typeof parseRecord>;
  try {
    record = parseRecord(head.state);
  } catch (error) {
    note(error);
    return { generations: [], packs: 0, chunks, bytes, problems };
  }
  const history = record?.history ?? [];
  const entries = packsOf(head.state);
  const totalBytes = [...entries.values()].reduce((sum, pack) => sum + pack.bytes, 0);

  const sound = new Map<string, HeaderOf>();
  for (const entry of entries.values()) {
    try {
      const pack = await openPack(objects, head, entry);
      try {
        for (let next = await pack.nextBlock(); next !== null; next = await pack.nextBlock()) {
          for (const _ of chunksOf(pack.key, next.block, next.stored, () => true)) chunks++;
          options.progress?.({ phase: 'verify', doneBytes: bytes + pack.bytesRead(), totalBytes });
        }
        sound.set(entry.name, { entry, header: pack.header });
      } finally {
        await pack.close();
      }
    } catch (error) {
      note(error);
    }
    bytes += entry.bytes;
  }
  const generations = history.map(({ generation, packs }) => {
    const list = packs.map((pack) => sound.get(pack.name));
    try {
      if (list.includes(undefined)) return { generation, restorable: false };
      assembleGeneration(head, list as HeaderOf[]);
      return { generation, restorable: true };
    } catch (error) {
      note(error);
      return { generation, restorable: false };
    }
  });
  return { generations, packs: entries.size, chunks, bytes, problems };
}

/** One hour. A pack is stored before its head is committed, so a young unknown pack may belong to a running turn. */
const ORPHAN_GRACE_MS = 3_600_000;

/**
 * Objects of the session that the head does not refer to and that are older than the grace time. They were left by
 * workers that died between put and commit. Packs that the head lists as garbage are included. Call it with a head that
 * was just read, and delete the result with `collect`.
 */
export async function findOrphans(
  objects: ObjectStore,
  head: StateHead,
  options: {
    readonly nowMs: number;
    readonly graceMs?: number;
    /** Asked what forks of the session need of it. */
    readonly heads?: SharedPacksOptions['heads'];
  },
): Promise<readonly { readonly key: string; readonly bytes: number }[]> {
  const names = packsOf(head.state).keys();
  const used = new Set([...names].map((name) => packKey(head, name)));
  const before = options.nowMs - (options.graceMs ?? ORPHAN_GRACE_MS);
  const { tenant, sessionId } = head;
  const lent = await neededOf({ objects, heads: options.heads }, tenant, sessionId, sessionId);
  const orphans: { key: string; bytes: number }[] = [];
  for await (const { key, bytes, modifiedAtMs } of objects.list(prefixOf(head.tenant, head.sessionId))) {
    if (!used.has(key) && !lent?.has(key) && modifiedAtMs <= before) orphans.push({ key, bytes });
  }
  return orphans;
}
