// Packs that several sessions need: a fork begins with those of the session it was made from, and nothing is copied. The
// heads alone say who needs what. Beside a session's packs lie notes that name the sessions to ask:
//
//   <tenant>/<owner>/shared-with/<holder>
//
// A note is written before the fork is committed, and the fork is committed only if the session it is made from has not
// moved. So whoever drops a pack from a head, and then asks, sees every session that can still need it. Notes are read
// again after the heads: a fork of a fork may have come between.
import { Corrupt } from '../core/errors.ts';
import type { SessionId, Tenant } from '../core/ids.ts';
import type { Json } from '../core/messages.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { SessionStore } from '../core/ports/store.ts';
import type { SessionHead } from '../core/records.ts';
import { keptGenerations, ownerOfPack, packKey, parseRecord, prefixOf } from './record.ts';

const NOTES = 'shared-with/';
/** A fork that a worker prepared so long ago is not committed any more. */
const PREPARING_MS = 24 * 3_600_000;

export interface SharedPacksOptions {
  readonly objects: Pick<ObjectStore, 'list' | 'put'>;
  /** Without it nobody can be asked: then all that may be shared is needed. */
  readonly heads?: Pick<SessionStore, 'getHead'> | undefined;
}

export function noteKey(tenant: Tenant, owner: SessionId, holder: SessionId): string {
  return `${prefixOf(tenant, owner)}${NOTES}${holder}`;
}

/** Who is named by a note; null for any other object. */
export function holderOf(key: string): SessionId | null {
  const [, , folder, holder] = key.split('/');
  return `${folder}/` === NOTES && holder ? (holder as SessionId) : null;
}

/** Says that `holder` will need packs of `owners`. */
export async function noteHolder(
  { objects }: SharedPacksOptions,
  tenant: Tenant,
  owners: readonly SessionId[],
  holder: SessionId,
): Promise<void> {
  const body = new TextEncoder().encode(holder);
  await Promise.all(owners.map((owner) => objects.put(noteKey(tenant, owner, holder), body)));
}

export interface Needed {
  has(key: string): boolean;
}

/** Objects of `owner` that some session needs, `without` left out of account; null when no other session may. */
export async function neededOf(
  options: SharedPacksOptions,
  tenant: Tenant,
  owner: SessionId,
  without: SessionId | null,
): Promise<Needed | null> {
  let notes = await notesOf(options, tenant, owner);
  if (notes.length === 0 && without === owner) return null;
  for (;;) {
    const needed = new Set<string>();
    const sessions = [owner, ...notes.map(({ holder }) => holder)];
    const heads = await Promise.all(sessions.map((id) => headOf(options, tenant, id, without)));
    for (const [at, head] of heads.entries()) {
      const note = notes[at - 1];
      if (head) {
        // It may need anything.
        if (head.state !== null && readable(head.state) === null) return { has: () => true };
        for (const key of keysIn(head, owner)) needed.add(key);
        if (note) needed.add(note.key);
      } else if (note && note.holder !== without && mayStillCome(options, note)) return { has: () => true };
    }
    const now = await notesOf(options, tenant, owner);
    if (now.map(({ key }) => key).join() === notes.map(({ key }) => key).join()) return needed;
    notes = now;
  }
}

interface Note {
  readonly key: string;
  readonly holder: SessionId;
  readonly modifiedAtMs: number;
}

async function notesOf(
  { objects }: SharedPacksOptions,
  tenant: Tenant,
  owner: SessionId,
): Promise<readonly Note[]> {
  const notes: Note[] = [];
  for await (const { key, modifiedAtMs } of objects.list(`${prefixOf(tenant, owner)}${NOTES}`)) {
    const holder = holderOf(key);
    if (holder) notes.push({ key, holder, modifiedAtMs });
  }
  return notes;
}

async function headOf(
  { heads }: SharedPacksOptions,
  tenant: Tenant,
  id: SessionId,
  without: SessionId | null,
): Promise<SessionHead | null> {
  if (id === without) return null;
  return (await heads?.getHead(tenant, id, { expired: true })) ?? null;
}

function mayStillCome({ heads }: SharedPacksOptions, note: Note): boolean {
  return heads === undefined || Date.now() - note.modifiedAtMs < PREPARING_MS;
}

/** The keys of `owner`'s packs that a head needs. */
function keysIn(head: SessionHead, owner: SessionId): string[] {
  const record = parseRecord(head.state);
  const packs = record === null ? [] : keptGenerations(record).flatMap((stored) => stored.packs);
  const names = new Set(packs.map(({ name }) => name));
  return [...names]
    .filter((name) => (ownerOfPack(name) ?? head.sessionId) === owner)
    .map((name) => packKey(head, name));
}

/**
 * The sessions whose packs a fork has needed, with the keys of those that its state still names. A state that cannot be read names
 * none: the session can be erased all the same, and what it needed goes with the sessions it was made from.
 */
export function foreignKeys(tenant: Tenant, state: Json | null): ReadonlyMap<SessionId, readonly string[]> {
  const record = readable(state);
  const foreign = new Map<SessionId, string[]>();
  if (record === null) return foreign;
  for (const owner of record.owners ?? []) foreign.set(owner, []);
  const names = [...keptGenerations(record).flatMap(({ packs }) => packs), ...record.garbage].map(
    ({ name }) => name,
  );
  for (const name of new Set(names)) {
    const owner = ownerOfPack(name);
    if (owner)
      foreign.set(owner, [...(foreign.get(owner) ?? []), packKey({ tenant, sessionId: owner }, name)]);
  }
  return foreign;
}

/** null when it cannot be read, too. */
function readable(state: Json | null): ReturnType<typeof parseRecord> {
  try {
    return parseRecord(state);
  } catch (error) {
    if (error instanceof Corrupt) return null;
    throw error;
  }
}
