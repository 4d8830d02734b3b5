// The state layer's own record in a session's head: which packs hold the last generations. A few kilobytes at any
// age. It is read from a store, so it is checked like any input: no name in it can point at another session.

import { z } from 'zod';
import { KEPT_GENERATIONS } from '../core/defaults.ts';
import { Corrupt, Gone } from '../core/errors.ts';
import type { SessionId, Tenant } from '../core/ids.ts';
import type { Json } from '../core/messages.ts';
import type { SessionHead } from '../core/records.ts';

/** A generation never has more packs than this, so a restore reads at most this many objects. */
export const MAX_PACKS = 8;

const PACK_NAME = /^\d{10,16}-\d{1,16}-[0-9a-f]{8}$/;

const packSchema = z
  .tuple([
    z.string().regex(PACK_NAME),
    z.int().nonnegative(),
    z.int().nonnegative(),
    z.string().length(22),
    z.int().nonnegative(),
    z.int().nonnegative(),
  ])
  .transform(([name, bytes, headerBytes, digest, rawBytes, liveBytes]) => {
    return { name, bytes, headerBytes, digest, rawBytes, liveBytes };
  });

/**
 * `bytes` of the object, `headerBytes` of them before the body, `digest` of the header; `rawBytes` of chunks before
 * compression, `liveBytes` of them that the newest generation uses.
 */
export type PackEntry = z.infer<typeof packSchema>;

const recordSchema = z.object({
  v: z.literal(1),
  packs: z.array(packSchema),
  /** [generation, content, indices into packs in the order they are applied], oldest first. */
  history: z
    .array(
      z.tuple([
        z.int().nonnegative(),
        z.string().min(1).max(22),
        z.array(z.int().nonnegative()).max(MAX_PACKS),
      ]),
    )
    .min(1),
  /** Packs that nothing refers to any more, still to be deleted: [name, bytes]. */
  garbage: z.array(z.tuple([z.string().regex(PACK_NAME), z.int().nonnegative()])),
});

/** One restorable generation. Two generations with the same `content` have the same files. */
export interface StoredGeneration {
  readonly generation: number;
  readonly content: string;
  readonly packs: readonly PackEntry[];
}

export type DeadPack = Pick<PackEntry, 'name' | 'bytes'>;

/** A generation as it travels between worker and agent host. */
export const storedGenerationSchema = z.strictObject({
  generation: z.int().nonnegative(),
  content: z.string().min(1).max(22),
  packs: z
    .array(
      z.strictObject({
        name: z.string().regex(PACK_NAME),
        bytes: z.int().nonnegative(),
        headerBytes: z.int().nonnegative(),
        digest: z.string().length(22),
        rawBytes: z.int().nonnegative(),
        liveBytes: z.int().nonnegative(),
      }),
    )
    .max(MAX_PACKS),
});

export const deadPackSchema = z.strictObject({
  name: z.string().regex(PACK_NAME),
  bytes: z.int().nonnegative(),
});

export interface StateRecord {
  /** Oldest first, never empty. */
  readonly history: readonly StoredGeneration[];
  readonly garbage: readonly DeadPack[];
}

/** What the keys of a session's packs begin with; any head has both fields. */
export type StateScope = Pick<SessionHead, 'tenant' | 'sessionId'>;

export function prefixOf(tenant: Tenant, sessionId: SessionId): string {
  return `${tenant}/${sessionId}/`;
}

export function packKey(scope: StateScope, name: string): string {
  return `${prefixOf(scope.tenant, scope.sessionId)}${name}.pack`;
}

/** A name that sorts by generation in listings. The fence distinguishes the attempts of two workers. */
export function packName(generation: number, fence: number, random: string): string {
  return `${String(generation).padStart(10, '0')}-${fence}-${random}`;
}

/** What {@link packName} put into a name; null for any other. */
export function packNameOf(name: string): { readonly generation: number; readonly fence: number } | null {
  if (!PACK_NAME.test(name)) return null;
  const [generation, fence] = name.split('-').map(Number);
  return { generation: generation!, fence: fence! };
}

/** null for a session that has no state yet. Throws Corrupt('corrupt-state'). */
export function parseRecord(state: Json | null): StateRecord | null {
  if (state === null) return null;
  const parsed = recordSchema.safeParse(state);
  if (!parsed.success) {
    const newer =
      typeof state === 'object' && !Array.isArray(state) && typeof state.v === 'number' && state.v > 1;
    throw new Corrupt(
      newer ? 'newer-state' : 'corrupt-state',
      newer
        ? 'The session was written by a newer version of hybrid-sessions.'
        : "The session's head is malformed.",
      { cause: parsed.error, ...(newer ? { advice: 'Update hybrid-sessions.' } : {}) },
    );
  }
  const { packs, history, garbage } = parsed.data;
  const stored = history.map(([generation, content, indices]): StoredGeneration => {
    const list = indices.map((index) => packs[index]);
    if (list.includes(undefined)) {
      throw new Corrupt('corrupt-state', "The session's head names a pack that it does not list.");
    }
    return { generation, content, packs: list as PackEntry[] };
  });
  return { history: stored, garbage: garbage.map(([name, bytes]) => ({ name, bytes })) };
}

/** Bytes of all objects that a session's head names. */
export function storedBytes({ state }: Pick<SessionHead, 'state'>): number {
  const record = parseRecord(state);
  if (record === null) return 0;
  const packs = [...packsIn(record.history).values(), ...record.garbage];
  return packs.reduce((sum, { bytes }) => sum + bytes, 0);
}

export function encodeRecord(record: StateRecord): Json {
  const all = packsIn(record.history);
  const indexOf = new Map([...all.keys()].map((name, index) => [name, index]));
  const history = record.history.map((stored) => {
    return [stored.generation, stored.content, stored.packs.map((pack) => indexOf.get(pack.name)!)];
  });
  const packs = [...all.values()].map((pack) => {
    return [pack.name, pack.bytes, pack.headerBytes, pack.digest, pack.rawBytes, pack.liveBytes];
  });
  return { v: 1, packs, history, garbage: record.garbage.map(({ name, bytes }) => [name, bytes]) };
}

export function newest(record: StateRecord): StoredGeneration {
  return record.history[record.history.length - 1]!;
}

/** The record with `stored` as its newest generation and only the last `keepGenerations`. Other packs become garbage. */
export function withGeneration(
  record: StateRecord | null,
  stored: StoredGeneration,
  keepGenerations: number,
): StateRecord {
  const earlier = record?.history.filter((item) => item.generation < stored.generation) ?? [];
  return trimmed(record, [...earlier, stored].slice(-Math.max(1, keepGenerations)));
}

/** The record with `history` instead of its own. Packs that the new history does not name become garbage. */
export function trimmed(record: StateRecord | null, history: readonly StoredGeneration[]): StateRecord {
  const used = new Set(packsIn(history).keys());
  const garbage = new Map(record?.garbage.map((pack) => [pack.name, pack]));
  for (const [name, { bytes }] of packsIn(record?.history ?? [])) garbage.set(name, { name, bytes });
  return { history, garbage: [...garbage.values()].filter((pack) => !used.has(pack.name)) };
}

/** Every pack that some generation needs, by name. Where generations differ, the newest one's entry counts. */
export function packsIn(history: readonly StoredGeneration[]): Map<string, PackEntry> {
  const packs = new Map<string, PackEntry>();
  for (const stored of history) for (const pack of stored.packs) packs.set(pack.name, pack);
  return packs;
}

/**
 * A state to commit: generation `as` (newer than all) with the files of `generation`; nothing is uploaded. Of the other
 * generations only those in `sound` stay: those that cannot be restored are dropped, and packs that only they needed
 * become garbage. Throws Gone('generation-gone') when `generation` is not stored.
 */
export function repairedState(
  state: Json,
  generation: number,
  as: number,
  sound: ReadonlySet<number>,
  keepGenerations = KEPT_GENERATIONS,
): Json {
  const record = parseRecord(state)!;
  const stored = record.history.find((item) => item.generation === generation);
  if (stored === undefined) {
    const first = record.history[0]!.generation;
    throw new Gone('generation-gone', `Generation ${generation} is not kept; the oldest is ${first}.`);
  }
  const history = record.history.filter((item) => sound.has(item.generation));
  return encodeRecord(
    withGeneration(trimmed(record, history), { ...stored, generation: as }, keepGenerations),
  );
}
