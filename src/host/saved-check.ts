// What a host says it has saved, checked as a stranger's word before the head may refer to it: names and sizes as the worker
// saw them, the new pack's table well-formed, and a generation that needs nothing but this session's own packs.
// Chunks are not read: a lie there harms only its own session, and is found before a byte of it is used.
import { Invalid } from '../core/errors.ts';
import type { StateLimits } from '../core/ports/execution.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import { assembleGeneration } from '../state/generation.ts';
import type { PackHeader } from '../state/header.ts';
import { readHeader } from '../state/pack-reader.ts';
import { MAX_PACKS, type PackEntry, type StateScope, type StoredGeneration } from '../state/record.ts';

export interface SavedCheckOptions {
  readonly objects: ObjectStore;
  readonly scope: StateScope;
  readonly limits: StateLimits;
}

export interface Claim {
  readonly generation: number;
  /** The generation it says it follows. */
  readonly previous: StoredGeneration | null;
  readonly stored: StoredGeneration;
  /** The packs that came from this host while it saved, with their sizes as they were counted. */
  readonly written: ReadonlyMap<string, number>;
}

export interface SavedCheck {
  /** Reads ahead what the next save can only follow. */
  expect(stored: StoredGeneration | null): void;
  /** Invalid('host-lied') naming what does not hold. */
  check(claim: Claim): Promise<void>;
}

/** A file's entry takes some hundred bytes; what is far above that was made to be unpacked. */
const MAX_HEADER_BYTES_PER_FILE = 1_024;
/** Files of the agent's configuration beside those of the workspace, which are limited. */
const MAX_CONFIG_FILES = 50_000;

export function createSavedCheck({ objects, scope, limits }: SavedCheckOptions): SavedCheck {
  const maxHeaderBytes = Math.min(
    256 * 1024 * 1024,
    (limits.maxWorkspaceFiles + MAX_CONFIG_FILES) * MAX_HEADER_BYTES_PER_FILE,
  );
  /** By digest: a header never changes. */
  const headers = new Map<string, Promise<PackHeader>>();

  function headerOf(entry: PackEntry): Promise<PackHeader> {
    const known = headers.get(entry.digest);
    if (known) return known;
    const reading = readHeader(objects, scope, entry, maxHeaderBytes);
    headers.set(entry.digest, reading);
    reading.catch(() => headers.delete(entry.digest));
    return reading;
  }

  return {
    expect(stored) {
      for (const entry of stored?.packs ?? []) headerOf(entry).catch(() => {});
    },
    async check(claim) {
      checkList(claim);
      const list = await Promise.all(
        claim.stored.packs.map(async (entry) => ({ entry, header: await headerOf(entry) })),
      );
      assembleGeneration(scope, list);
    },
  };
}

function checkList({ generation, previous, stored, written }: Claim): void {
  const need = (holds: boolean, what: string): void => {
    if (!holds) throw new Invalid('host-lied', `The agent host's save does not hold: ${what}.`);
  };
  const before = new Map(previous?.packs.map((pack) => [pack.name, pack]));
  need(stored.generation === generation, 'it is another generation than asked for');
  const isStillBlank = previous !== null && previous.packs.length === 0;
  need(stored.packs.length > 0 || isStillBlank, 'it has no packs');
  need(stored.packs.length <= MAX_PACKS, 'it has too many packs');
  need(new Set(stored.packs.map(({ name }) => name)).size === stored.packs.length, 'it names a pack twice');
  for (const pack of stored.packs) {
    const known = before.get(pack.name);
    const bytes = written.get(pack.name);
    need(known !== undefined || bytes !== undefined, 'it names a pack that is not its own');
    need(pack.bytes === (known?.bytes ?? bytes), 'a pack has another size');
    need(pack.headerBytes > 0 && pack.headerBytes <= pack.bytes, 'a table is longer than its pack');
    need(pack.liveBytes <= pack.rawBytes, 'more of a pack is in use than is in it');
    if (known === undefined) continue;
    need(
      pack.digest === known.digest && pack.headerBytes === known.headerBytes,
      'it changes an earlier pack',
    );
    need(pack.rawBytes === known.rawBytes, 'it changes an earlier pack');
  }
  if (written.size === 0) {
    const same =
      previous !== null &&
      previous.packs.map(({ name }) => name).join() === stored.packs.map(({ name }) => name).join();
    need(same && stored.content === previous.content, 'nothing was written, and yet it differs');
  } else need(stored.content !== previous?.content, 'something was written, and yet it is the same');
}
