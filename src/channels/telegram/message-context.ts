// Reads from a Telegram message what people see around its text: speaker, answered message or quote, forwarded
// origin, addresses behind links, what was sent along. Pure; a part that is not as documented is left out, never a
// reason to drop the message (https://core.telegram.org/bots/api#message, read 2026-11).
import { z } from 'zod';
import type { MessageContext } from '../../core/message-context.ts';
import { cutText, oneLine } from '../../text/cut-text.ts';
import { sharedOf, UNDERSTOOD } from './message-files.ts';

const person = z.object({
  id: z.number(),
  first_name: z.string().default(''),
  last_name: z.string().optional(),
  username: z.string().optional(),
});
const chat = z.object({ title: z.string().optional(), first_name: z.string().optional() });
const origin = z.object({
  sender_user: person.optional(),
  sender_user_name: z.string().optional(),
  sender_chat: chat.optional(),
  chat: chat.optional(),
  author_signature: z.string().optional(),
});
const entity = z.object({
  type: z.string(),
  offset: z.number().int().nonnegative(),
  length: z.number().int().nonnegative(),
  url: z.string().optional(),
});
const answered = z.object({
  from: person.optional(),
  sender_chat: chat.optional(),
  text: z.string().optional(),
  caption: z.string().optional(),
});

const shownSchema = z.object({
  from: person.optional().catch(undefined),
  reply_to_message: answered.loose().optional().catch(undefined),
  quote: z.object({ text: z.string() }).optional().catch(undefined),
  external_reply: z.object({ origin }).optional().catch(undefined),
  forward_origin: origin.optional().catch(undefined),
  entities: z.array(entity).optional().catch(undefined),
  caption_entities: z.array(entity).optional().catch(undefined),
  text: z.string().optional().catch(undefined),
  caption: z.string().optional().catch(undefined),
});

type Shown = z.infer<typeof shownSchema>;

/** What a person can send besides text. Everything else without text is Telegram's own news. */
const CONTENT = [
  'animation',
  'audio',
  'checklist',
  'contact',
  'dice',
  'document',
  'game',
  'location',
  'paid_media',
  'photo',
  'poll',
  'sticker',
  'story',
  'venue',
  'video',
  'video_note',
  'voice',
] as const;

const MAX_NAME = 128;
const MAX_QUOTE = 4_096;
const MAX_URL = 2_048;
const MAX_LINKS = 100;

/** Names of what a message carries besides text, such as `photo`. */
export function contentOf(message: object): readonly string[] {
  return CONTENT.filter((field) => field in message);
}

export function contextOf(message: object, botId: string, isPrivate: boolean): MessageContext {
  const shown = shownSchema.parse(message);
  const { from, forward_origin: forwarded } = shown;
  const answers = answersOf(shown, botId);
  const links = linksOf(shown);
  const attachments = contentOf(message).filter((kind) => !UNDERSTOOD.has(kind));
  const shared = sharedOf(message);
  return {
    ...(from && !isPrivate ? { speaker: nameOf(from) } : {}),
    ...(answers ? { answers } : {}),
    ...(forwarded ? { forwardedFrom: originName(forwarded) } : {}),
    ...(links.length > 0 ? { links } : {}),
    ...(shared.length > 0 ? { shared: [...shared] } : {}),
    ...(attachments.length > 0 ? { attachments: [...attachments] } : {}),
  };
}

function answersOf(shown: Shown, botId: string): MessageContext['answers'] {
  const { reply_to_message: answered, quote, external_reply: external } = shown;
  // A message in a topic "answers" the one that made the topic, which says nothing.
  const whole =
    answered && (answered.text ?? answered.caption ?? contentOf(answered).map((c) => `(${c})`)[0]);
  const text = quote?.text ?? whole;
  if (text === undefined) return undefined;
  return { from: answeredName(answered, external?.origin, botId), text: cutText(text, MAX_QUOTE, '…') };
}

function answeredName(
  answered: Shown['reply_to_message'],
  elsewhere: z.infer<typeof origin> | undefined,
  botId: string,
): string | null {
  if (answered?.sender_chat) return titleOf(answered.sender_chat);
  if (answered?.from) return String(answered.from.id) === botId ? 'you' : nameOf(answered.from);
  return elsewhere ? originName(elsewhere) : null;
}

function originName(from: z.infer<typeof origin>): string {
  if (from.sender_user) return nameOf(from.sender_user);
  if (from.sender_user_name !== undefined) return oneLine(from.sender_user_name, MAX_NAME);
  const place = from.sender_chat ?? from.chat;
  const title = place ? titleOf(place) : 'somebody unknown';
  return from.author_signature ? `${oneLine(from.author_signature, MAX_NAME)} in ${title}` : title;
}

function titleOf({ title, first_name: name }: z.infer<typeof chat>): string {
  return oneLine(title ?? name ?? 'a chat without a name', MAX_NAME);
}

/** `Anna Berg (@anna)`: two people of one name can be told apart. */
function nameOf({ first_name: first, last_name: last, username, id }: z.infer<typeof person>): string {
  const full = oneLine([first, last].filter(Boolean).join(' '), MAX_NAME) || `user ${id}`;
  return username === undefined ? full : `${full} (@${oneLine(username, MAX_NAME)})`;
}

function linksOf(shown: Shown): NonNullable<MessageContext['links']> {
  const text = shown.text ?? shown.caption ?? '';
  const entities = (shown.text === undefined ? shown.caption_entities : shown.entities) ?? [];
  return entities
    .filter(({ type, url }) => type === 'text_link' && url !== undefined && url.length <= MAX_URL)
    .slice(0, MAX_LINKS)
    .map(({ offset, length, url = '' }) => ({
      text: cutText(text.slice(offset, offset + length).toWellFormed(), MAX_QUOTE, '…'),
      url,
    }));
}
