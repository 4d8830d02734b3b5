// Reads what Slack sends when somebody presses a button: an answer, or nothing. Pure; never throws
// (https://docs.slack.dev/reference/interaction-payloads/block_actions-payload, read 2026-11).
import { z } from 'zod';
import { turnRequest } from '../../core/messages.ts';
import { isAllowed, personId } from './allow-list.ts';
import { answerOfAction } from './buttons.ts';
import type { SlackIdentity } from './identity.ts';
import { conversationAt, type EventPolicy, type ParsedEvent } from './parse-event.ts';
import type { SlackReplyTarget } from './reply-target.ts';

const ID = z.string().min(1).max(64);

const pressSchema = z.object({
  type: z.literal('block_actions'),
  user: z.object({ id: ID, name: z.string().optional(), team_id: z.string().nullish() }),
  team: z.object({ id: ID }).nullish(),
  channel: z.object({ id: ID }),
  message: z.object({ ts: ID, thread_ts: ID.optional() }),
  actions: z
    .array(z.object({ action_id: z.string().max(255), action_ts: ID }).loose())
    .min(1)
    .max(1),
});

export function parsePress(
  payload: unknown,
  app: SlackIdentity,
  policy: EventPolicy,
  receivedAtMs: number,
): ParsedEvent {
  const parsed = pressSchema.safeParse(payload);
  if (!parsed.success) return { kind: 'ignore', reason: 'malformed', sender: null };
  const { user, team, channel, message, actions } = parsed.data;
  const isPrivate = channel.id.startsWith('D');
  const person = { id: user.id, team: user.team_id ?? team?.id ?? null };
  const sender = personId(person, app.teamId);
  if (!isAllowed(policy.allow, person, app.teamId, isPrivate ? null : channel.id)) {
    return { kind: 'ignore', reason: 'not-allowed', sender };
  }
  const [action] = actions;
  const pressed = action && answerOfAction(action.action_id);
  if (!pressed) return { kind: 'ignore', reason: 'unhandled-event', sender };
  const target: SlackReplyTarget = {
    channel: channel.id,
    messageTs: message.ts,
    threadTs: message.thread_ts ?? (isPrivate ? null : message.ts),
    ...(person.team === null ? {} : { recipient: { user: user.id, team: person.team } }),
  };
  const request = turnRequest({
    conversation: conversationAt(target, app, policy.tenant),
    ...pressed,
    kind: 'answer',
    dedupeId: `${channel.id}:${message.ts}:${sender}:${action.action_ts}`,
    sender: { id: sender, name: user.name ?? null },
    replyTarget: { ...target },
    receivedAtMs,
  });
  return { kind: 'turn', request };
}
