// Reads a slash command of the app (`/agent undo 2`): in a direct conversation it is a message of that conversation, and
// its words are the commands of every channel, with or without their own slash. Slack knows no slash commands in threads, and
// in a channel each thread is a conversation, so there the person is told how to write it instead. Pure; never throws
// (https://docs.slack.dev/interactivity/implementing-slash-commands, read 2026-11).
import { z } from 'zod';
import { COMMANDS, readCommand } from '../../core/commands.ts';
import { MAX_TEXT_LENGTH, turnRequest } from '../../core/messages.ts';
import { isAllowed, personId } from './allow-list.ts';
import type { SlackIdentity } from './identity.ts';
import { callsNobody, escapeText, readText } from './message-text.ts';
import { conversationAt, type EventPolicy, type ParsedEvent } from './parse-event.ts';

const ID = z.string().min(1).max(64);

const slashSchema = z.object({
  command: z.string().regex(/^\/\S{1,64}$/),
  text: z.string().max(MAX_TEXT_LENGTH).default(''),
  team_id: ID,
  channel_id: ID,
  user_id: ID,
  user_name: z.string().optional(),
  /** Another one each time. */
  trigger_id: z.string().min(1).max(200),
});

/** What only the person who wrote it sees. */
export interface Said {
  readonly kind: 'say';
  readonly text: string;
}

export function isSlash(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'command' in body && 'trigger_id' in body;
}

export function parseSlash(
  body: unknown,
  app: SlackIdentity,
  policy: EventPolicy,
  receivedAtMs: number,
): ParsedEvent | Said {
  const parsed = slashSchema.safeParse(body);
  if (!parsed.success) return { kind: 'ignore', reason: 'malformed', sender: null };
  const { command, team_id: team, channel_id: channel, user_id: user, trigger_id: trigger } = parsed.data;
  const person = { id: user, team };
  const sender = personId(person, app.teamId);
  const isPrivate = channel.startsWith('D');
  if (!isAllowed(policy.allow, person, app.teamId, isPrivate ? null : channel)) {
    return { kind: 'ignore', reason: 'not-allowed', sender };
  }
  const { text, links } = readText(parsed.data.text, app.botUserId);
  const written = asCommand(text);
  if (written === '' || written === '/help') return { kind: 'say', text: helpText(command, app) };
  if (!isPrivate) return { kind: 'say', text: elsewhereText(written, app) };
  const target = { channel, threadTs: null, messageTs: null, recipient: { user, team } };
  const request = turnRequest({
    conversation: conversationAt(target, app, policy.tenant),
    dedupeId: `${channel}:slash:${trigger}`,
    text: written,
    sender: { id: sender, name: parsed.data.user_name ?? null },
    replyTarget: target,
    receivedAtMs,
    ...(links.length > 0 ? { context: { links } } : {}),
  });
  return { kind: 'turn', request };
}

/** `undo 2` is `/undo 2`; what is no command stays as it was written. */
function asCommand(text: string): string {
  const slashed = text.startsWith('/') ? text : `/${text}`;
  return readCommand(slashed) === null ? text : slashed;
}

function helpText(command: string, { botUserId }: SlackIdentity): string {
  const lines = COMMANDS.map(({ usage, help }) => `\`${command} ${usage.slice(1)}\`  ${help}`);
  const intro = 'In our direct conversation:';
  const inThreads = `In a thread, mention me before it: <@${botUserId}> \`/status\``;
  return [intro, ...lines, '', inThreads].join('\n');
}

function elsewhereText(written: string, { botUserId }: SlackIdentity): string {
  const said = escapeText(callsNobody(written));
  return `In a channel each thread is a conversation of its own, and Slack takes no slash commands there. Mention me in the thread, or in the channel for a new one:\n<@${botUserId}> ${said}`;
}
