// One bucket in memory: objects, uploads in parts, listings in byte order. Every condition is looked at in the same
// step that stores, so of many who put "if absent" exactly one does.
import { createHash, randomUUID } from 'node:crypto';
import { badDigest, failedCondition, noSuchKey, noSuchUpload, S3Error } from './errors.ts';
import { type Checksum, compositeChecksum } from './payload.ts';

const MIN_PART_BYTES = 5 * 1024 * 1024;

export interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
  readonly modifiedAtMs: number;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly checksum: Checksum | null;
}

export interface WriteConditions {
  readonly ifNoneMatch?: string | undefined;
  readonly ifMatch?: string | undefined;
}

export interface Part {
  readonly number: number;
  readonly body: Buffer;
  readonly etag: string;
  readonly checksum: Checksum | null;
}

export interface Upload {
  readonly id: string;
  readonly key: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly parts: Map<number, Part>;
}

export interface ListPage {
  readonly contents: readonly { readonly key: string; readonly object: StoredObject }[];
  readonly prefixes: readonly string[];
  readonly next: string | null;
}

const md5 = (body: Uint8Array) => createHash('md5').update(body).digest('hex');
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

export type Bucket = ReturnType<typeof createBucket>;

export function createBucket() {
  const objects = new Map<string, StoredObject>();
  const uploads = new Map<string, Upload>();

  function checkWrite(key: string, conditions: WriteConditions): void {
    const there = objects.get(key);
    if (conditions.ifNoneMatch !== undefined) {
      if (conditions.ifNoneMatch !== '*')
        throw new S3Error(501, 'NotImplemented', 'Only If-None-Match: * is supported.');
      if (there) throw failedCondition();
    }
    if (conditions.ifMatch !== undefined) {
      if (!there) throw noSuchKey();
      if (conditions.ifMatch !== there.etag) throw failedCondition();
    }
  }

  function upload(id: string | null): Upload {
    const found = uploads.get(id ?? '');
    if (!found) throw noSuchUpload();
    return found;
  }

  return {
    objects,
    uploads,

    find(key: string): StoredObject {
      const found = objects.get(key);
      if (!found) throw noSuchKey();
      return found;
    },

    put(
      key: string,
      value: Pick<StoredObject, 'body' | 'contentType' | 'metadata' | 'checksum'>,
      conditions: WriteConditions,
    ): StoredObject {
      checkWrite(key, conditions);
      const stored = { ...value, etag: `"${md5(value.body)}"`, modifiedAtMs: Date.now() };
      objects.set(key, stored);
      return stored;
    },

    remove(key: string, ifMatch?: string): void {
      if (ifMatch !== undefined) checkWrite(key, { ifMatch });
      objects.delete(key);
    },

    list(options: { prefix: string; after: string; max: number; delimiter: string }): ListPage {
      const { prefix, after, max, delimiter } = options;
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && byBytes(key, after) > 0);
      const contents: { key: string; object: StoredObject }[] = [];
      const prefixes = new Set<string>();
      let last = '';
      for (const key of keys.sort(byBytes)) {
        const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
        const common = cut < 0 ? null : key.slice(0, cut + delimiter.length);
        if (common !== null && (prefixes.has(common) || after.startsWith(common))) continue;
        if (contents.length + prefixes.size === max) return { contents, prefixes: [...prefixes], next: last };
        if (common === null) contents.push({ key, object: objects.get(key)! });
        else prefixes.add(common);
        last = common ?? key;
      }
      return { contents, prefixes: [...prefixes], next: null };
    },

    createUpload(key: string, contentType: string, metadata: Readonly<Record<string, string>>): Upload {
      const made: Upload = { id: randomUUID(), key, contentType, metadata, parts: new Map() };
      uploads.set(made.id, made);
      return made;
    },

    upload,

    putPart(id: string | null, number: number, body: Buffer, checksum: Checksum | null): Part {
      const part = { number, body, etag: `"${md5(body)}"`, checksum };
      upload(id).parts.set(number, part);
      return part;
    },

    /** Puts the named parts together, in order; the condition is looked at here, not when the upload began. */
    complete(
      id: string | null,
      named: readonly { number: number; etag: string; checksum: string | undefined }[],
      conditions: WriteConditions,
    ): { key: string; stored: StoredObject } {
      const { key, parts, contentType, metadata } = upload(id);
      if (named.length === 0) throw new S3Error(400, 'MalformedXML', 'There are no parts.');
      const disordered = named.some(({ number }, i) => i > 0 && number <= named[i - 1]!.number);
      if (disordered)
        throw new S3Error(400, 'InvalidPartOrder', 'The list of parts was not in ascending order.');
      const chosen = named.map(({ number, etag, checksum }, i) => {
        const part = parts.get(number);
        if (!part || part.etag !== etag)
          throw new S3Error(400, 'InvalidPart', 'One or more of the specified parts could not be found.');
        if (checksum !== undefined && part.checksum && checksum !== part.checksum.value)
          throw badDigest('part checksum');
        if (i < named.length - 1 && part.body.length < MIN_PART_BYTES) {
          throw new S3Error(
            400,
            'EntityTooSmall',
            'Your proposed upload is smaller than the minimum allowed size',
          );
        }
        return part;
      });
      checkWrite(key, conditions);
      const etags = Buffer.concat(chosen.map((part) => Buffer.from(part.etag.replaceAll('"', ''), 'hex')));
      const sums = chosen.map((part) => part.checksum);
      const name = sums[0]?.name;
      const checksum =
        name !== undefined && sums.every((sum) => sum?.name === name)
          ? {
              name,
              value: compositeChecksum(
                name,
                sums.map((sum) => sum!.value),
              ),
            }
          : null;
      const stored: StoredObject = {
        body: Buffer.concat(chosen.map((part) => part.body)),
        etag: `"${md5(etags)}-${chosen.length}"`,
        modifiedAtMs: Date.now(),
        contentType,
        metadata,
        checksum,
      };
      objects.set(key, stored);
      uploads.delete(id ?? '');
      return { key, stored };
    },

    abort(id: string | null): void {
      upload(id);
      uploads.delete(id ?? '');
    },
  };
}
