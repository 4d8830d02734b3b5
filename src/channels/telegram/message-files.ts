// What a Telegram message carries besides its text: files with the id under which Telegram keeps them, and things that are
// none (a place, an address book entry), as what they say. Pure; a part that is not as documented is left out, never a
// reason to drop the message (https://core.telegram.org/bots/api#message, read 2026-11).
import { z } from 'zod';
import { type Attachment, fileNameOf, mediaTypeOf } from '../../core/attachments.ts';
import { tooLargeText } from '../../core/lost-files.ts';
import type { MessageContext } from '../../core/message-context.ts';
import type { Json } from '../../core/messages.ts';

const file = z.object({
  file_id: z.string().max(512),
  file_size: z.number().int().nonnegative().optional(),
  file_name: z.string().max(1_000).optional(),
  mime_type: z.string().max(255).optional(),
});
const photoSize = file.extend({ width: z.number(), height: z.number() });
const sticker = file.extend({
  is_animated: z.boolean(),
  is_video: z.boolean(),
  emoji: z.string().max(64).optional(),
  set_name: z.string().max(256).optional(),
  thumbnail: photoSize.optional(),
});

const carriedSchema = z.object({
  message_id: z.number().int(),
  media_group_id: z.string().max(100).optional(),
  photo: z.array(photoSize).optional().catch(undefined),
  animation: file.optional().catch(undefined),
  audio: file.optional().catch(undefined),
  document: file.optional().catch(undefined),
  sticker: sticker.optional().catch(undefined),
  video: file.optional().catch(undefined),
  video_note: file.optional().catch(undefined),
  voice: file.optional().catch(undefined),
});

type Carried = z.infer<typeof carriedSchema>;
type File = z.infer<typeof file>;

/** Things that are no file, with the fields of them that say something. */
const SHARED = {
  contact: z.object({
    phone_number: z.string().max(64),
    first_name: z.string().max(256),
    last_name: z.string().max(256).optional(),
    vcard: z.string().max(4_096).optional(),
  }),
  dice: z.object({ emoji: z.string().max(16), value: z.number() }),
  location: z.object({
    latitude: z.number(),
    longitude: z.number(),
    horizontal_accuracy: z.number().optional(),
    live_period: z.number().optional(),
  }),
  poll: z.object({
    question: z.string().max(1_000),
    options: z.array(z.object({ text: z.string().max(500), voter_count: z.number() })).max(50),
  }),
  venue: z.object({
    location: z.object({ latitude: z.number(), longitude: z.number() }),
    title: z.string().max(1_000),
    address: z.string().max(1_000),
  }),
} as const satisfies Record<string, z.ZodType<Json>>;

/** What the agent gets of a message, in one way or another. */
export const UNDERSTOOD: ReadonlySet<string> = new Set([
  ...['animation', 'audio', 'document', 'photo', 'sticker', 'video', 'video_note', 'voice'],
  ...Object.keys(SHARED),
]);

/** For the worker, which fetches the file. */
export const remoteFileSchema = z.object({ fileId: z.string() });

/** `maxBytes`: what Telegram gives out. */
export function filesOf(message: object, maxBytes: number): readonly Attachment[] {
  const parsed = carriedSchema.safeParse(message);
  if (!parsed.success) return [];
  const { message_id: id, media_group_id: group } = parsed.data;
  return found(parsed.data, maxBytes).map(([one, kind, ending, type]) => {
    const mediaType = mediaTypeOf(one.mime_type ?? type);
    const bytes = one.file_size ?? null;
    const isTooLarge = bytes !== null && bytes > maxBytes;
    return {
      name: fileNameOf(one.file_name ?? `${kind}-${id}.${ending}`),
      mediaType,
      bytes,
      at: isTooLarge ? { refused: tooLargeText(maxBytes, bytes) } : { remote: { fileId: one.file_id } },
      ...(group === undefined ? {} : { group }),
      ...(kind === 'voice' || kind === 'video-note' ? { voice: true } : {}),
    };
  });
}

type Found = readonly [file: File, kind: string, ending: string, mediaType: string];

function found(carried: Carried, maxBytes: number): readonly Found[] {
  const { photo, animation, document, sticker: shown } = carried;
  const all: (Found | null)[] = [
    picture(photo ?? [], maxBytes),
    animation ? [animation, 'animation', 'mp4', 'video/mp4'] : null,
    // Of an animation Telegram sends a document, too: the same file.
    document && !animation ? [document, 'document', 'bin', 'application/octet-stream'] : null,
    carried.audio ? [carried.audio, 'audio', 'mp3', 'audio/mpeg'] : null,
    carried.voice ? [carried.voice, 'voice', 'ogg', 'audio/ogg'] : null,
    carried.video ? [carried.video, 'video', 'mp4', 'video/mp4'] : null,
    carried.video_note ? [carried.video_note, 'video-note', 'mp4', 'video/mp4'] : null,
    shown ? stickerPicture(shown) : null,
  ];
  return all.filter((one) => one !== null);
}

/** The largest that Telegram gives out. */
function picture(sizes: readonly z.infer<typeof photoSize>[], maxBytes: number): Found | null {
  const byArea = [...sizes].sort((a, b) => b.width * b.height - a.width * a.height);
  const fits = byArea.find(({ file_size: bytes }) => bytes === undefined || bytes <= maxBytes);
  const size = fits ?? byArea[0];
  return size ? [size, 'photo', 'jpg', 'image/jpeg'] : null;
}

/** A sticker that moves is a format of its own: its preview is a picture. */
function stickerPicture(shown: z.infer<typeof sticker>): Found | null {
  if (!shown.is_animated && !shown.is_video) return [shown, 'sticker', 'webp', 'image/webp'];
  return shown.thumbnail ? [shown.thumbnail, 'sticker', 'webp', 'image/webp'] : null;
}

/** What a message shares that is no file. */
export function sharedOf(message: object): NonNullable<MessageContext['shared']> {
  const carried = message as Readonly<Record<string, unknown>>;
  const shared = Object.entries(SHARED).flatMap(([kind, schema]) => {
    // Of a venue Telegram sends its location, too.
    if (carried[kind] === undefined || (kind === 'location' && carried.venue !== undefined)) return [];
    const value = schema.safeParse(carried[kind]);
    return value.success ? [{ kind, value: value.data as Json }] : [];
  });
  const shown = sticker.safeParse(carried.sticker);
  if (!shown.success) return shared;
  const { emoji = null, set_name: set = null } = shown.data;
  return [...shared, { kind: 'sticker', value: { emoji, set } }];
}
