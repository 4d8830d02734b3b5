// The state layer's own record in a session's head: which packs hold the last generations. A few kilobytes at any
// age. It is read from a store, so it is checked like any input: no name in it can point at another session.

import { z } from 'zod';
import { KEPT_GENERATIONS } from '../core/defaults.ts';
import { Corrupt, Gone } from '../core/errors.ts';
import type { SessionId, Tenant, TurnId } from '../core/ids.ts';
import type { Json } from '../core/messages.ts';
import type { Away, TurnMark } from '../core/ports/execution.ts';
import type { SessionHead } from '../core/records.ts';

/** A generation never has more packs than this, so a restore reads at most this many objects. */
export const MAX_PACKS = 8;

/** A pack that another session wrote, and shares, has that session's id before its name: `<session>/<name>`. */
const PACK_NAME = /^(?:[A-Za-z0-9_-]{1,64}\/)?\d{10,16}-\d{1,16}-[0-9a-f]{8}$/;

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

/** [generation, content, indices into packs in the order they are applied]. */
const generationSchema = z.tuple([
  z.int().nonnegative(),
  z.string().min(1).max(22),
  z.array(z.int().nonnegative()).max(MAX_PACKS),
]);

const recordSchema = z.object({
  v: z.literal(1),
  packs: z.array(packSchema),
  /** Oldest first. */
  history: z.array(generationSchema).min(1),
  /** Packs that nothing refers to any more, still to be deleted: [name, bytes]. */
  garbage: z.array(z.tuple([z.string().regex(PACK_NAME), z.int().nonnegative()])),
  /** Which turn a generation is of: [generation, turn, what was asked]. */
  turns: z.array(z.tuple([z.int().nonnegative(), z.string().max(64), z.string().max(200)])).optional(),
  /** What was undone, a list per undo, the newest last. */
  undone: z.array(z.array(generationSchema).min(1)).optional(),
  /** The oldest generation of the history is the session's first. */
  whole: z.literal(true).optional(),
  /** Claude's own id of the conversation, where it is not the session's. */
  agentSession: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/)
    .optional(),
  /** Other sessions may need packs of this one. */
  shared: z.literal(true).optional(),
  /** Sessions whose packs this one needed when it was made. */
  owners: z.array(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)).optional(),
  /** Somebody has it on a computer of theirs: which copy, since when. */
  away: z.object({ id: z.string().min(1).max(64), sinceMs: z.int().nonnegative() }).optional(),
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
  /** By generation; none for one that no turn made (an import, a repair). */
  readonly turns?: ReadonlyMap<number, TurnMark>;
  /**
   * What was undone and can be redone, a list per undo, the newest last. Each begins with the generation that was gone back
   * to, as it was numbered before. A new turn empties it.
   */
  readonly undone?: readonly (readonly StoredGeneration[])[];
  /** True while the oldest generation of the history is the session's first: before it there was nothing. */
  readonly whole?: boolean;
  readonly agentSession?: SessionId;
  readonly shared?: boolean;
  /** Sessions whose packs it needed when it was made: a note beside theirs names it. */
  readonly owners?: readonly SessionId[];
  readonly away?: Away;
}

/** Every generation whose packs have to be kept. */
export function keptGenerations({ history, undone = [] }: Pick<StateRecord, 'history' | 'undone'>) {
  return [...undone.flat(), ...history];
}

/** The session that wrote a pack; null for the record's own. */
export function ownerOfPack(name: string): SessionId | null {
  const at = name.indexOf('/');
  return at === -1 ? null : (name.slice(0, at) as SessionId);
}

/** A pack's name without the session that wrote it. No two packs of one record have the same. */
export function baseNameOf(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}

/** What the keys of a session's packs begin with; any head has both fields. */
export type StateScope = Pick<SessionHead, 'tenant' | 'sessionId'>;

export function prefixOf(tenant: Tenant, sessionId: SessionId): string {
  return `${tenant}/${sessionId}/`;
}

export function packKey(scope: StateScope, name: string): string {
  return `${prefixOf(scope.tenant, ownerOfPack(name) ?? scope.sessionId)}${baseNameOf(name)}.pack`;
}

/** A name that sorts by generation in listings. The fence distinguishes the attempts of two workers. */
export function packName(generation: number, fence: number, random: string): string {
  return `${String(generation).padStart(10, '0')}-${fence}-${random}`;
}

/** What {@link packName} put into a name; null for any other. */
export function packNameOf(name: string): { readonly generation: number; readonly fence: number } | null {
  if (!PACK_NAME.test(name) || ownerOfPack(name) !== null) return null;
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
  const { packs, history, garbage, turns, undone, ...rest } = parsed.data;
  const storedOf = ([generation, content, indices]: z.infer<typeof generationSchema>): StoredGeneration => {
    const list = indices.map((index) => packs[index]);
    if (list.includes(undefined)) {
      throw new Corrupt('corrupt-state', "The session's head names a pack that it does not list.");
    }
    return { generation, content, packs: list as PackEntry[] };
  };
  const { agentSession, shared, whole, owners, away } = rest;
  return {
    history: history.map(storedOf),
    garbage: garbage.map(([name, bytes]) => ({ name, bytes })),
    ...(turns && {
      turns: new Map(turns.map(([generation, id, text]) => [generation, { id: id as TurnId, text }])),
    }),
    ...(undone && { undone: undone.map((batch) => batch.map(storedOf)) }),
    ...(agentSession !== undefined && { agentSession: agentSession as SessionId }),
    ...(shared && { shared }),
    ...(whole && { whole }),
    ...(owners && { owners: owners as SessionId[] }),
    ...(away && { away }),
  };
}

/** Bytes of all objects that a session's head names. */
export function storedBytes({ state }: Pick<SessionHead, 'state'>): number {
  const record = parseRecord(state);
  if (record === null) return 0;
  const packs = [...packsIn(keptGenerations(record)).values(), ...record.garbage];
  return packs.reduce((sum, { bytes }) => sum + bytes, 0);
}

export function encodeRecord(record: StateRecord): Json {
  const all = packsIn(keptGenerations(record));
  const indexOf = new Map([...all.keys()].map((name, index) => [name, index]));
  const tupleOf = (stored: StoredGeneration) => {
    return [stored.generation, stored.content, stored.packs.map((pack) => indexOf.get(pack.name)!)];
  };
  const { turns, undone, agentSession, shared, whole, owners, away } = record;
  const known = new Set(keptGenerations(record).map(({ generation }) => generation));
  const marks = [...(turns ?? [])].filter(([generation]) => known.has(generation));
  const packs = [...all.values()].map((pack) => {
    return [pack.name, pack.bytes, pack.headerBytes, pack.digest, pack.rawBytes, pack.liveBytes];
  });
  return {
    v: 1,
    packs,
    history: record.history.map(tupleOf),
    garbage: record.garbage.map(({ name, bytes }) => [name, bytes]),
    ...(marks.length > 0 && { turns: marks.map(([generation, { id, text }]) => [generation, id, text]) }),
    ...(undone?.length && { undone: undone.map((batch) => batch.map(tupleOf)) }),
    ...(agentSession !== undefined && { agentSession }),
    ...(shared && { shared }),
    ...(whole && { whole }),
    ...(owners?.length && { owners: [...owners] }),
    ...(away && { away: { id: away.id, sinceMs: away.sinceMs } }),
  };
}

export function newest(record: StateRecord): StoredGeneration {
  return record.history[record.history.length - 1]!;
}

/**
 * The record with `stored` as its newest generation, only the last `keepGenerations`, and nothing to redo. Of a turn only
 * its newest generation stays: what was saved in its middle makes way. Other packs become garbage.
 */
export function withGeneration(
  record: StateRecord | null,
  stored: StoredGeneration,
  keepGenerations: number,
  turn?: TurnMark,
): StateRecord {
  const before = record?.history.filter((item) => item.generation < stored.generation) ?? [];
  const turnOf = (item: StoredGeneration) => record?.turns?.get(item.generation)?.id;
  const isEarlierSave = (item: StoredGeneration) => turn !== undefined && turnOf(item) === turn.id;
  // A session in which everything was undone: that there was nothing before is said by `whole`.
  const isBlank = (item: StoredGeneration) => item.packs.length === 0 && turnOf(item) === undefined;
  const earlier = before.filter((item) => !isEarlierSave(item) && !isBlank(item));
  const history = [...earlier, stored].slice(-Math.max(1, keepGenerations));
  const turns = new Map(record?.turns);
  turns.delete(stored.generation);
  if (turn) turns.set(stored.generation, turn);
  const first = earlier[0] ?? stored;
  const whole = (record === null || record.whole === true) && history[0] === first;
  return { ...trimmed(record, history, []), turns, whole };
}

/** The record with another history, and other things to redo. Packs that neither names become garbage. */
export function trimmed(
  record: StateRecord | null,
  history: readonly StoredGeneration[],
  undone = record?.undone ?? [],
): StateRecord {
  const used = new Set(packsIn(keptGenerations({ history, undone })).keys());
  const garbage = new Map(record?.garbage.map((pack) => [pack.name, pack]));
  const before = record === null ? [] : keptGenerations(record);
  for (const [name, { bytes }] of packsIn(before)) garbage.set(name, { name, bytes });
  const left = [...garbage.values()].filter((pack) => !used.has(pack.name));
  return { ...record, history, undone, garbage: left };
}

/** Every pack that some generation needs, by name. Where generations differ, the newest one's entry counts. */
export function packsIn(history: readonly StoredGeneration[]): Map<string, PackEntry> {
  const packs = new Map<string, PackEntry>();
  for (const stored of history) for (const pack of stored.packs) packs.set(pack.name, pack);
  return packs;
}

/** Every pack that a state needs, by name. */
export function packsOf(state: Json | null): Map<string, PackEntry> {
  const record = parseRecord(state);
  return packsIn(record === null ? [] : keptGenerations(record));
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
  const kept = {
    ...trimmed(record, history, []),
    whole: record.whole === true && history[0] === record.history[0],
  };
  return encodeRecord(withGeneration(kept, { ...stored, generation: as }, keepGenerations));
}
