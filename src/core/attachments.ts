// Files that belong to a message or to its reply. Bytes lie in the object store below the turn's own id, or still with the
// platform until the worker fetches them. Nothing here names a tenant: the key is composed from the turn's own conversation,
// so no message can name another tenant's bytes.
import { z } from 'zod';
import { oneLine } from '../text/cut-text.ts';
import type { Tenant, TurnId } from './ids.ts';

/** Of one message, or of one reply. */
export const MAX_FILES = 20;
/** Of one file that is kept here, unless the installation says otherwise. */
export const MAX_FILE_BYTES = 50 * 1024 * 1024;
export const MAX_FILE_NAME = 120;

/** `TURN/NAME`: where the bytes lie below the tenant. */
export type FileObject = string & { readonly __brand: 'FileObject' };

const objectSchema = z
  .string()
  .regex(/^turn_[0-9a-f]{32}\/[a-z0-9-]{1,48}$/)
  .transform((object) => object as FileObject);

const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;

/** A channel's own reference; small, for it travels with the message and stays in the ledger. */
const remoteSchema = z.json().refine((value) => JSON.stringify(value).length <= 2_000, 'is too long');

/** Longest caption, in UTF-16 units: what every platform shows. */
export const MAX_CAPTION = 1_000;

const describedSchema = {
  /** As people see it; no path. */
  name: z
    .string()
    .min(1)
    .max(MAX_FILE_NAME)
    .refine((name) => fileNameOf(name) === name, 'is no plain file name'),
  mediaType: z.string().regex(MEDIA_TYPE),
};

/** Of a file that is sent: what people read of it. */
const sentSchema = { ...describedSchema, caption: z.string().min(1).max(MAX_CAPTION).optional() };
export const describedFileSchema = z.object(sentSchema);

export const sentFileSchema = z.strictObject({
  ...sentSchema,
  bytes: z.int().nonnegative().max(MAX_FILE_BYTES),
});
export type SentFile = z.infer<typeof sentFileSchema>;

export const storedFileSchema = z.object({
  ...sentSchema,
  bytes: z.int().nonnegative(),
  object: objectSchema,
});
export type StoredFile = z.infer<typeof storedFileSchema>;

export const attachmentSchema = z.object({
  ...describedSchema,
  bytes: z.int().nonnegative().nullable(),
  at: z.union([
    z.strictObject({ object: objectSchema }),
    z.strictObject({ remote: remoteSchema }),
    /** It cannot be had: why, for the person. */
    z.strictObject({ refused: z.string().max(500) }),
  ]),
  /** Messages whose files share it were sent together, as an album. */
  group: z.string().max(128).optional(),
  /** Somebody speaks in it, to be heard as a message. */
  voice: z.boolean().optional(),
});
export type Attachment = z.infer<typeof attachmentSchema>;

export const attachmentsSchema = z.array(attachmentSchema).max(MAX_FILES);

/** A file name that is safe in any folder: one line, no separators, no leading dot. Never empty. */
export function fileNameOf(name: string): string {
  const plain = oneLine(name.toWellFormed().replaceAll(/[/\\:*?"<>|\p{Cc}\p{Cf}]/gu, '_'), MAX_FILE_NAME)
    .replace(/^[.\s]+/, '')
    .trim();
  return plain === '' ? 'file' : plain;
}

/** A media type as written, without its parameters; what is none is `application/octet-stream`. */
export function mediaTypeOf(written: string | null | undefined): string {
  const type = (written ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return MEDIA_TYPE.test(type) ? type : 'application/octet-stream';
}

export function fileObjectOf(turnId: TurnId, name: string): FileObject {
  return objectSchema.parse(`${turnId}/${name}`);
}

/** The last part of the object's name: how a client names one of a turn's files. */
export function fileIdOf(object: FileObject): string {
  return object.slice(object.indexOf('/') + 1);
}

/** Below this lies every file of a tenant's turns. */
export const filesPrefix = (tenant: Tenant): string => `${tenant}/${FILES}/`;
/** In the place of a session's id, which it can never be. */
export const FILES = 'files';

export function fileKey(tenant: Tenant, object: FileObject): string {
  return `${filesPrefix(tenant)}${object}`;
}

/** Everything that lies with one turn. */
export function turnFilesPrefix(tenant: Tenant, turnId: TurnId): string {
  return `${filesPrefix(tenant)}${turnId}/`;
}

/** `12 kB`, as people write sizes. */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  let size = bytes;
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${size >= 10 || unit === 0 ? Math.round(size) : Math.round(size * 10) / 10} ${units[unit]}`;
}

/** For channels that show text only: what there is, and how large. */
export function filesText(files: readonly StoredFile[]): string {
  return files.map(({ name, bytes }) => `📎 ${name} (${sizeText(bytes)})`).join('\n');
}
