// A vault as encrypted files: one for each entry, AES-256-GCM under a key that lies elsewhere. Names of files are keyed
// hashes of whose entry it is, so a folder listing tells neither people nor names; the hash is authenticated with the
// content, so a file that was put in another one's place is refused. Several processes may use the same folder: an entry
// appears, changes and goes in one step of the file system.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { link, readdir, readFile, rename, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { systemClock } from '../../core/clock.ts';
import { Corrupt, isHybridError } from '../../core/errors.ts';
import type { Person, Tenant } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ListedEntry, Vault, VaultEntry } from '../../core/ports/vault.ts';
import { byPersonAndName, checkEntry, checkValue } from '../../core/vault.ts';
import { createFolderFlusher, writeTemporary } from './durable-writes.ts';
import { errnoOf, translateFileError } from './errors.ts';

/** 32 random bytes. */
export interface VaultKey {
  /** null where none was ever made. */
  read(): Promise<Uint8Array | null>;
  /** The same one, however many ask at once. */
  make(): Promise<Uint8Array>;
}

export interface FileVaultOptions {
  /** Made when the first entry comes. */
  readonly root: string;
  readonly key: VaultKey;
  readonly clock?: Pick<Clock, 'now'>;
}

const CIPHER = 'aes-256-gcm';
const FORMAT = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Files that are being written; what a crash leaves there is nobody's entry. */
const DRAFTS = 'drafts';
const ENTRY_FILE = /^[0-9a-f]{64}$/;

const content = z.strictObject({
  tenant: z.string(),
  person: z.string().nullable(),
  name: z.string(),
  value: z.string(),
  changedAtMs: z.number(),
});

interface Keys {
  readonly names: Buffer;
  readonly contents: Buffer;
}

interface Place {
  readonly folder: string;
  readonly file: string;
  readonly path: string;
}

export function createFileVault({ root, key, clock = systemClock }: FileVaultOptions): Vault {
  const flusher = createFolderFlusher(root);

  /** null: there is no key, and nothing that would need one. */
  async function keys(): Promise<Keys | null> {
    const found = await key.read();
    if (found) return keysFrom(found);
    if ((await namesIn(root)).every((name) => name === DRAFTS)) return null;
    // A key is there before the first entry is: somebody may have made both since.
    const made = await key.read();
    if (made) return keysFrom(made);
    throw lostKey();
  }

  const keysToWrite = async (): Promise<Keys> => (await keys()) ?? keysFrom(await key.make());

  function placeOf({ names }: Keys, { tenant, person, name }: VaultEntry): Place {
    const folder = join(root, folderOf(names, tenant));
    const file = hashOf(names, [tenant, person, name]);
    return { folder, file, path: join(folder, file) };
  }

  async function write(entry: VaultEntry, value: string, how: 'replace' | 'add'): Promise<boolean> {
    checkEntry(entry);
    checkValue(value);
    const found = await keysToWrite();
    const place = placeOf(found, entry);
    const { tenant, person, name } = entry;
    const text = JSON.stringify({ tenant, person, name, value, changedAtMs: clock.now() });
    const drafts = join(root, DRAFTS);
    await flusher.make(drafts);
    const draft = await writeTemporary(drafts, encrypt(found, place, text));
    try {
      for (;;) {
        await flusher.make(place.folder);
        try {
          if (how === 'replace') await rename(draft, place.path);
          else await link(draft, place.path);
          await flusher.flush(place.folder);
          return true;
        } catch (error) {
          if (how === 'add' && errnoOf(error) === 'EEXIST') return false;
          // The folder went with another entry just now.
          if (errnoOf(error) !== 'ENOENT') throw error;
          flusher.forget(place.folder);
        }
      }
    } finally {
      await unlink(draft).catch(() => {});
    }
  }

  async function read({ contents }: Keys, place: Place): Promise<z.infer<typeof content> | null> {
    const bytes = await readFile(place.path).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return null;
      throw error;
    });
    return bytes && decrypt(contents, place, bytes);
  }

  return {
    get: inFamilies(async (entry: VaultEntry) => {
      checkEntry(entry);
      const found = await keys();
      return found && ((await read(found, placeOf(found, entry)))?.value ?? null);
    }),
    set: inFamilies(async (entry: VaultEntry, value: string) => void (await write(entry, value, 'replace'))),
    add: inFamilies((entry: VaultEntry, value: string) => write(entry, value, 'add')),
    remove: inFamilies(async (entry: VaultEntry) => {
      checkEntry(entry);
      const found = await keys();
      if (!found) return false;
      const { folder, path } = placeOf(found, entry);
      try {
        await unlink(path);
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return false;
        throw error;
      }
      await flusher.flush(folder);
      await rmdir(folder).catch(() => {});
      return true;
    }),
    list: inFamilies(async (tenant: Tenant) => {
      const found = await keys();
      if (!found) return [];
      const folder = join(root, folderOf(found.names, tenant));
      const entries: ListedEntry[] = [];
      for (const file of await namesIn(folder)) {
        if (!ENTRY_FILE.test(file)) continue;
        const entry = await read(found, { folder, file, path: join(folder, file) });
        if (!entry) continue;
        const { person, name, changedAtMs } = entry;
        entries.push({ tenant, person: person as Person | null, name, changedAtMs });
      }
      return entries.sort(byPersonAndName);
    }),
  };
}

/** One key for names, another one for contents. */
function keysFrom(key: Uint8Array): Keys {
  const part = (use: string) =>
    Buffer.from(hkdfSync('sha256', key, new Uint8Array(), `hybrid-sessions vault ${use}`, 32));
  return { names: part('names'), contents: part('contents') };
}

function hashOf(key: Buffer, parts: readonly (string | null)[]): string {
  return createHmac('sha256', key).update(JSON.stringify(parts)).digest('hex');
}

function folderOf(key: Buffer, tenant: Tenant): string {
  return hashOf(key, [tenant]).slice(0, 32);
}

function encrypt({ contents }: Keys, { file }: Place, text: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, contents, iv).setAAD(Buffer.from(file));
  const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.from([FORMAT]), iv, cipher.getAuthTag(), encrypted]);
}

function decrypt(key: Buffer, { file }: Place, bytes: Buffer): z.infer<typeof content> {
  try {
    if (bytes[0] !== FORMAT) throw new Error(`Format ${bytes[0]}.`);
    const iv = bytes.subarray(1, 1 + IV_BYTES);
    const tag = bytes.subarray(1 + IV_BYTES, 1 + IV_BYTES + TAG_BYTES);
    const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(file))
      .setAuthTag(tag);
    const text = Buffer.concat([decipher.update(bytes.subarray(1 + IV_BYTES + TAG_BYTES)), decipher.final()]);
    return content.parse(JSON.parse(text.toString('utf8')));
  } catch (cause) {
    throw new Corrupt('credential-unreadable', 'A stored credential cannot be decrypted.', {
      cause,
      advice: 'Bring back the key that it was stored with, or store the credential again.',
    });
  }
}

function lostKey(): Corrupt {
  return new Corrupt('credential-unreadable', 'There are stored credentials, but their key is gone.', {
    advice:
      'Bring the key back (the file vault-key of the data folder, or HYBRID_SESSIONS_VAULT_KEY), or delete the folder vault and store the credentials again.',
  });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
}

function inFamilies<A extends unknown[], T>(work: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  return async (...args) => {
    try {
      return await work(...args);
    } catch (error) {
      throw isHybridError(error) ? error : translateFileError(error);
    }
  };
}
