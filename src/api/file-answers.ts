// Answers that are files of people and agents. Nobody vouches for what is in them: a browser is to save them, not to open
// them. A page shows a picture of its own making from the bytes. Types that a browser could run are not said.
import type { ObjectStore } from '../core/ports.ts';

/** Shown as what they are; nothing here can hold a script that runs. */
const HARMLESS =
  /^(?:image\/(?:png|jpeg|gif|webp|avif)|(?:audio|video)\/[a-z0-9.+-]+|text\/(?:plain|csv|markdown)|application\/(?:pdf|json|zip|gzip))$/;
const UNKNOWN = 'application/octet-stream';

const BY_EXTENSION: Readonly<Record<string, string>> = {
  avif: 'image/avif',
  csv: 'text/csv',
  gif: 'image/gif',
  gz: 'application/gzip',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  md: 'text/markdown',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  ogg: 'audio/ogg',
  pdf: 'application/pdf',
  png: 'image/png',
  txt: 'text/plain',
  webm: 'video/webm',
  webp: 'image/webp',
  zip: 'application/zip',
};

export function harmlessType(mediaType: string): string {
  return HARMLESS.test(mediaType) ? mediaType : UNKNOWN;
}

/** By the name alone; what has no known one is bytes. */
export function typeByName(name: string): string {
  return BY_EXTENSION[/\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? ''] ?? UNKNOWN;
}

/** To be saved under this name (RFC 6266). */
export function dispositionOf(name: string): string {
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%;]/g, '_');
  const exact = encodeURIComponent(name.toWellFormed()).replaceAll(/['()*]/g, (char) => {
    return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  });
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}

interface SentFile {
  readonly name: string;
  readonly type: string;
  readonly bytes: number;
  read(): AsyncIterable<Uint8Array>;
}

/** An error before the first byte is thrown; what fails later breaks the answer off, short of its length. */
export async function fileAnswer({ name, type, bytes, read }: SentFile, isHead: boolean): Promise<Response> {
  const headers = {
    'content-type': type,
    'content-length': String(bytes),
    'content-disposition': dispositionOf(name),
    'content-security-policy': "default-src 'none'; sandbox",
    'cross-origin-resource-policy': 'same-site',
  };
  if (isHead || bytes === 0) return new Response(null, { headers });
  const pieces = read()[Symbol.asyncIterator]();
  let next: IteratorResult<Uint8Array> | null = await pieces.next();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = next ?? (await pieces.next());
      next = null;
      if (piece.done) controller.close();
      else controller.enqueue(new Uint8Array(piece.value));
    },
    async cancel() {
      await pieces.return?.();
    },
  });
  return new Response(body, { headers });
}

/** The sizes of the objects below a prefix, by key. */
export async function sizesBelow(
  objects: Pick<ObjectStore, 'list'>,
  prefix: string,
): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, bytes } of objects.list(prefix)) sizes.set(key, bytes);
  return sizes;
}
