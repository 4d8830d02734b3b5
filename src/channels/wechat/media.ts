// Pictures and voice as WeChat keeps them: temporary media, which it forgets after three days. It takes pictures and voice
// of an account and no other files
// (https://developers.weixin.qq.com/doc/subscription/api/material/temporary/api_uploadtempmedia.html, read 2026-11).
import { z } from 'zod';
import { type Attachment, filesText, type StoredFile } from '../../core/attachments.ts';
import { Gone, Invalid, Refused } from '../../core/errors.ts';
import { tooLargeText } from '../../core/lost-files.ts';
import type { Json } from '../../core/messages.ts';
import type { FetchedFile } from '../../core/ports.ts';
import type { MediaKind, WechatApi } from './api.ts';

/** For the worker, which fetches it. */
export const remoteMediaSchema = z.object({ mediaId: z.string().min(1).max(256) });

/** What people send is smaller than that. */
export const MAX_FETCHED_BYTES = 20 * 1024 * 1024;

const TYPES: Readonly<Record<string, MediaKind>> = {
  'image/png': 'image',
  'image/jpeg': 'image',
  'image/gif': 'image',
  'audio/amr': 'voice',
  'audio/mpeg': 'voice',
};
const MAX_SENT_BYTES: Readonly<Record<MediaKind, number>> = {
  image: 10 * 1024 * 1024,
  voice: 2 * 1024 * 1024,
};

/** As what it can be sent; null for what WeChat takes from no account. */
export function mediaKindOf({ mediaType, bytes }: Pick<StoredFile, 'mediaType' | 'bytes'>): MediaKind | null {
  const kind = TYPES[mediaType];
  return kind !== undefined && bytes <= MAX_SENT_BYTES[kind] ? kind : null;
}

export function sentAsMedia(files: readonly StoredFile[] = []): readonly StoredFile[] {
  return files.filter((file) => mediaKindOf(file) !== null);
}

/** What the text says of files: captions of those that come, and names of those that cannot. */
export function filesInWords(files: readonly StoredFile[] = []): string {
  const captions = sentAsMedia(files).flatMap(({ name, caption }) =>
    caption ? [`📎 ${name}: ${caption}`] : [],
  );
  const others = files.filter((file) => mediaKindOf(file) === null);
  const named = others.length === 0 ? [] : [filesText(others), NOT_TAKEN];
  return [...captions, ...named].join('\n');
}

const NOT_TAKEN = 'WeChat takes only pictures and voice from me; these files are kept with the chat.';

/** A picture, or a voice that WeChat has not put into words; null for any other message. */
export function mediaIn(message: {
  readonly MsgType: string;
  readonly MsgId?: string | undefined;
  readonly MediaId?: string | undefined;
  readonly Format?: string | undefined;
}): Attachment | null {
  const { MsgType: kind, MsgId: id = '0', MediaId: mediaId, Format: format = '' } = message;
  if (mediaId === undefined) return null;
  const at = { remote: { mediaId } };
  if (kind === 'image') {
    return { name: `picture-${id}.jpg`, mediaType: 'image/jpeg', bytes: null, at };
  }
  if (kind !== 'voice') return null;
  const isSpeex = format.toLowerCase() === 'speex';
  const [ending, mediaType] = isSpeex ? ['spx', 'audio/speex'] : ['amr', 'audio/amr'];
  return { name: `voice-${id}.${ending}`, mediaType, bytes: null, at, voice: true };
}

const NOT_THERE = 'WeChat does not have this file any more. Please send it again.';

export async function fetchWechatMedia(api: Pick<WechatApi, 'getMedia'>, remote: Json): Promise<FetchedFile> {
  const { mediaId } = remoteMediaSchema.parse(remote);
  const media = await api.getMedia(mediaId, MAX_FETCHED_BYTES);
  if (media === 'not-there') throw new Gone('no-file', NOT_THERE);
  if (media === 'too-large') throw new Invalid('file-too-large', tooLargeText(MAX_FETCHED_BYTES));
  if (media === 'too-slow') {
    throw new Refused('not-read', 'WeChat stopped in the middle of a file.', { retryAfterMs: 1_000 });
  }
  return { body: media };
}
