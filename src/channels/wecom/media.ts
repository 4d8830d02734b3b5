// Pictures, files and films as WeCom gives them out: at an address of their own, for five minutes, encrypted with the bot's
// EncodingAESKey (AES-256-CBC, padded to 32 bytes; https://developer.work.weixin.qq.com/document/path/100719, read 2026-11).
import { createDecipheriv } from 'node:crypto';
import { z } from 'zod';
import { readBody } from '../../bounded-body.ts';
import { type Attachment, fileNameOf } from '../../core/attachments.ts';
import { Gone, Invalid, isHybridError, Refused } from '../../core/errors.ts';
import { tooLargeText } from '../../core/lost-files.ts';
import type { Json } from '../../core/messages.ts';
import type { FetchedFile } from '../../core/ports.ts';

const remoteSchema = z.object({ url: z.string() });

export const MAX_FETCHED_BYTES = 20 * 1024 * 1024;
const FETCH_MS = 60_000;
/** What a turn can carry of an address. */
const MAX_URL_LENGTH = 1_800;
const BLOCK = 32;

const KINDS = {
  image: ['picture', 'jpg', 'image/jpeg'],
  file: ['file', 'bin', 'application/octet-stream'],
  video: ['film', 'mp4', 'video/mp4'],
} as const;

export type MediaKind = keyof typeof KINDS;

/** `apiRoot`: where WeCom is; other places have to be called by HTTPS. */
export function mediaOf(
  kind: MediaKind,
  url: string,
  { id, number, apiRoot }: { readonly id: string; readonly number: number; readonly apiRoot: string },
): Attachment {
  const [word, ending, mediaType] = KINDS[kind];
  const name = fileNameOf(`${word}-${id}${number === 0 ? '' : `-${number + 1}`}.${ending}`);
  const isThere = URL.canParse(url) && url.length <= MAX_URL_LENGTH && isCallable(new URL(url), apiRoot);
  const at = isThere ? { remote: { url } } : { refused: 'WeCom gave no address for this file.' };
  return { name, mediaType, bytes: null, at };
}

function isCallable({ protocol, origin }: URL, apiRoot: string): boolean {
  return protocol === 'https:' || origin === new URL(apiRoot).origin;
}

const NOT_THERE =
  'WeCom gives a file out for five minutes only, and this one waited for longer. Please send it again.';

export async function fetchWecomMedia(aesKey: string, remote: Json): Promise<FetchedFile> {
  const { url } = remoteSchema.parse(remote);
  const encrypted = await download(url);
  return { body: decryptFile(aesKey, encrypted) };
}

async function download(url: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS), redirect: 'error' });
    if (response.ok) {
      const body = await readBody(response, { maxBytes: MAX_FETCHED_BYTES + BLOCK, maxMs: FETCH_MS });
      if (body === 'too-large') throw new Invalid('file-too-large', tooLargeText(MAX_FETCHED_BYTES));
      if (body !== 'too-slow') return body;
      throw new Refused('not-read', 'WeCom stopped in the middle of a file.');
    }
    await response.body?.cancel();
    const { status } = response;
    // The signature of an address ends with its time.
    if (status === 403 || status === 404 || status === 410) throw new Gone('no-file', NOT_THERE);
    throw new Refused('not-read', `WeCom did not give out a file (HTTP ${status}).`);
  } catch (error) {
    if (isHybridError(error)) throw error;
    // The address is a secret for its five minutes: the original error could hold it.
    throw new Refused('no-answer', 'WeCom did not give out a file.', { retryAfterMs: 1_000 });
  }
}

function decryptFile(aesKey: string, encrypted: Uint8Array): Uint8Array {
  try {
    const key = Buffer.from(`${aesKey}=`, 'base64');
    const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
    const padded = Buffer.concat([decipher.update(encrypted), decipher.final()]);
    const pad = padded.at(-1) ?? 0;
    const end = padded.length - pad;
    if (pad < 1 || pad > BLOCK || padded.subarray(end).some((byte) => byte !== pad))
      throw new Error('padding');
    return padded.subarray(0, end);
  } catch {
    throw new Invalid(
      'bad-file',
      'WeCom gave this file out in a form that I cannot read. Please send it again.',
    );
  }
}
