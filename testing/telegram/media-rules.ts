// What the Bot API takes of uploaded files: each named by `attach://`, photos of up to 10 MB, others of up to 50 MB, captions
// of up to 1,024 characters, albums of two to ten files of kinds that go together
// (https://core.telegram.org/bots/api#inputmedia and #sendmediagroup, read 2026-11).
import { randomUUID } from 'node:crypto';
import { badRequest } from './bot-api-error.ts';
import type { FakeFile } from './fake-chat.ts';

const MB = 1024 * 1024;
const LIMITS = { photo: 10 * MB, document: 50 * MB } as const;

export interface AcceptedMedia {
  readonly file: FakeFile;
  readonly caption: string;
}

/** A file of a request, as `multipart/form-data` brought it. */
export interface Uploaded {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export function acceptMedia(payload: Record<string, unknown>, value: unknown): AcceptedMedia {
  const media = (typeof value === 'string' ? JSON.parse(value) : value) as Record<string, unknown>;
  const { type, media: at, caption = '' } = media;
  if (type !== 'photo' && type !== 'document') throw badRequest(`can't parse InputMedia: type "${type}"`);
  const field = /^attach:\/\/(.+)$/.exec(String(at))?.[1] ?? '';
  const uploaded = payload[field] as Uploaded | undefined;
  if (!uploaded?.bytes) throw badRequest('wrong remote file identifier specified');
  if (uploaded.bytes.length === 0) throw badRequest('file must be non-empty');
  if (uploaded.bytes.length > LIMITS[type]) throw badRequest('file is too big');
  if (type === 'photo' && !isPicture(uploaded.bytes)) throw badRequest('IMAGE_PROCESS_FAILED');
  if (String(caption).length > 1_024) throw badRequest('message caption is too long');
  return { file: { kind: type, ...uploaded }, caption: String(caption) };
}

export function acceptAlbum(payload: Record<string, unknown>): readonly AcceptedMedia[] {
  const list = (typeof payload.media === 'string' ? JSON.parse(payload.media) : payload.media) as unknown[];
  if (!Array.isArray(list) || list.length < 2 || list.length > 10) {
    throw badRequest('group of 2-10 messages is expected');
  }
  const accepted = list.map((one) => acceptMedia(payload, one));
  if (new Set(accepted.map(({ file }) => file.kind)).size > 1) {
    throw badRequest("document can't be mixed with other media types");
  }
  const album = randomUUID();
  return accepted.map(({ file, caption }) => ({ file: { ...file, album }, caption }));
}

function isPicture(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  return start.startsWith('\x89PNG') || start.startsWith('\xff\xd8\xff') || start.startsWith('RIFF');
}
