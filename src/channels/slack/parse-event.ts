// Reads one event of the Events API and says what it is to us: a turn or nothing. Pure; never throws, whatever the event
// holds; who is not allowed gets nothing (https://docs.slack.dev/reference/events, read 2026-11).
import { z } from 'zod';
import { MAX_FILE_BYTES } from '../../core/attachments.ts';
import type { Conversation } from '../../core/ids.ts';
import type { MessageContext } from '../../core/message-context.ts';
import { MAX_TEXT_LENGTH, type TurnRequest, turnRequest } from '../../core/messages.ts';
import { type AllowList, isAllowed, personId, type SlackPerson } from './allow-list.ts';
import { botIdOf, type SlackIdentity } from './identity.ts';
import { filesOf } from './message-files.ts';
import { readText } from './message-text.ts';
import type { SlackReplyTarget } from './reply-target.ts';

export interface EventPolicy {
  readonly tenant: string;
  readonly allow: AllowList;
}

export type ParsedEvent =
  | { readonly kind: 'turn'; readonly request: TurnRequest }
  | { readonly kind: 'ignore'; readonly reason: IgnoreReason; readonly sender: string | null };

type IgnoreReason =
  | 'malformed'
  | 'unhandled-event'
  | 'other-workspace'
  | 'bot-sender'
  | 'edited-or-notice'
  | 'not-addressed'
  | 'not-allowed';

const TIMESTAMP = z.string().regex(/^\d{1,16}\.\d{1,10}$/);
const ID = z.string().min(1).max(64);

const messageSchema = z.object({
  type: z.enum(['message', 'app_mention']),
  subtype: z.string().optional(),
  channel: ID,
  channel_type: z.string().optional(),
  user: ID.optional(),
  bot_id: z.string().optional(),
  text: z.string().max(MAX_TEXT_LENGTH).default(''),
  ts: TIMESTAMP,
  thread_ts: TIMESTAMP.optional(),
  /** Who began the thread. */
  parent_user_id: z.string().optional(),
  team: z.string().optional(),
  /** Both only where the person is of another workspace. */
  user_team: z.string().optional(),
  source_team: z.string().optional(),
  files: z.array(z.unknown()).optional(),
});

type Message = z.infer<typeof messageSchema>;

const envelopeSchema = z.object({
  type: z.literal('event_callback'),
  team_id: z.string().nullish(),
  authorizations: z.array(z.object({ team_id: z.string().nullish() }).loose()).nullish(),
  is_ext_shared_channel: z.boolean().default(false),
  event: z.object({ type: z.string() }).loose(),
});

type Envelope = z.infer<typeof envelopeSchema>;

/** Messages with another `subtype` are Slack's own news, or changes of what was said before. */
const SAID_BY_PEOPLE = new Set<string | undefined>([
  undefined,
  'file_share',
  'thread_broadcast',
  'me_message',
]);

export function parseEvent(
  body: unknown,
  app: SlackIdentity,
  policy: EventPolicy,
  receivedAtMs: number,
): ParsedEvent {
  const envelope = envelopeSchema.safeParse(body);
  if (!envelope.success) return ignore('malformed');
  const { event } = envelope.data;
  if (event.type !== 'message' && event.type !== 'app_mention') return ignore('unhandled-event');
  if (!isFor(envelope.data, app)) return ignore('other-workspace');
  if (!SAID_BY_PEOPLE.has(event.subtype as string | undefined)) return ignore('edited-or-notice');
  const parsed = messageSchema.safeParse(event);
  if (!parsed.success) return ignore('malformed');
  const message = parsed.data;
  if (message.bot_id || !message.user || message.user === app.botUserId) return ignore('bot-sender');
  const isPrivate = message.channel_type === 'im';
  const person = { id: message.user, team: teamOf(message, envelope.data) };
  const sender = personId(person, app.teamId);
  const said = readText(message.text, app.botUserId);
  if (!isPrivate && !isAddressed(message, said.mentionsBot, app)) return ignore('not-addressed', sender);
  if (!isAllowed(policy.allow, person, app.teamId, isPrivate ? null : message.channel)) {
    return ignore('not-allowed', sender);
  }
  const target = targetOf(message, isPrivate, person);
  const request = turnRequest({
    conversation: conversationAt(target, app, policy.tenant),
    // The message's own id rather than the event's: a mention comes as two events, each of which is repeated.
    dedupeId: `${message.channel}:${message.ts}`,
    text: said.text,
    sender: { id: sender, name: null },
    replyTarget: { ...target },
    receivedAtMs,
    context: contextOf(message, said.links, isPrivate),
    attachments: filesOf(message.files ?? [], MAX_FILE_BYTES),
  });
  return { kind: 'turn', request };
}

/** A thread is a conversation; so is a direct conversation outside of threads. */
export function conversationAt(target: SlackReplyTarget, app: SlackIdentity, tenant: string): Conversation {
  return { tenant, channel: 'slack', bot: botIdOf(app), chat: target.channel, thread: target.threadTs };
}

/** In a shared channel the event is of whichever workspace; whom it is for, the authorizations say. */
function isFor({ authorizations, team_id: team }: Envelope, { teamId }: SlackIdentity): boolean {
  const named = (authorizations ?? []).flatMap((one) => one.team_id ?? []);
  return named.length > 0 ? named.includes(teamId) : team === teamId;
}

function teamOf(message: Message, { is_ext_shared_channel: isShared, team_id: team }: Envelope) {
  const own = message.user_team ?? message.source_team ?? message.team;
  return own ?? (isShared ? null : (team ?? null));
}

/** In a channel the app is spoken to by name, or in answer to what it began itself. */
function isAddressed(message: Message, mentionsBot: boolean, app: SlackIdentity): boolean {
  return message.type === 'app_mention' || mentionsBot || message.parent_user_id === app.botUserId;
}

function targetOf(message: Message, isPrivate: boolean, { id: user, team }: SlackPerson): SlackReplyTarget {
  const { channel, ts: messageTs, thread_ts: thread } = message;
  const threadTs = thread ?? (isPrivate ? null : messageTs);
  return { channel, messageTs, threadTs, ...(team === null ? {} : { recipient: { user, team } }) };
}

function contextOf(message: Message, links: MessageContext['links'], isPrivate: boolean): MessageContext {
  return {
    ...(isPrivate || message.user === undefined ? {} : { speaker: `<@${message.user}>` }),
    ...(links && links.length > 0 ? { links } : {}),
  };
}

function ignore(reason: IgnoreReason, sender: string | null = null): ParsedEvent {
  return { kind: 'ignore', reason, sender };
}
