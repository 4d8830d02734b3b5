// How many messages are taken in, and how much may be kept; and the words for a person whose message is too much.
import { Refused } from './errors.ts';
import type { TenantSettings } from './tenants.ts';

/** The part of a tenant's limits that is looked at when a message comes in. */
export type MessageLimits = Pick<
  TenantSettings['limits'],
  'turnsPerMinute' | 'waiting' | 'sessions' | 'bytes'
>;

/** What a tenant says for itself counts; for the rest, what the installation says. */
export function limitsWithin(own: MessageLimits | null, installation: MessageLimits): MessageLimits {
  if (own === null) return installation;
  const parties = (name: 'turnsPerMinute' | 'waiting') => ({
    chat: own[name].chat ?? installation[name].chat,
    speaker: own[name].speaker ?? installation[name].speaker,
    tenant: own[name].tenant ?? installation[name].tenant,
  });
  return {
    turnsPerMinute: parties('turnsPerMinute'),
    waiting: parties('waiting'),
    sessions: own.sessions ?? installation.sessions,
    bytes: own.bytes ?? installation.bytes,
  };
}

export type LimitedParty = 'chat' | 'speaker' | 'tenant';

/** Which limit a message met. */
export type LimitReached =
  | { readonly of: 'turnsPerMinute' | 'waiting'; readonly party: LimitedParty; readonly limit: number }
  | { readonly of: 'sessions' | 'bytes'; readonly party: 'tenant'; readonly limit: number };

const CODES = {
  turnsPerMinute: 'too-many-turns',
  waiting: 'too-many-waiting',
  sessions: 'too-many-sessions',
  bytes: 'too-many-bytes',
} as const;

/**
 * Nothing of the message was kept. `message` is fit for the person; `tell` is false where they have read it within this
 * minute: a channel answers it to its platform then, and to nobody else.
 */
export class OverLimit extends Refused {
  readonly tell: boolean;

  constructor(reached: LimitReached, retryAfterMs: number, tell: boolean) {
    super(CODES[reached.of], limitText(reached, Math.max(1, Math.ceil(retryAfterMs / 1_000))), {
      retryAfterMs,
      data: { party: reached.party, limit: reached.limit },
    });
    this.tell = tell;
  }
}

function limitText(reached: LimitReached, seconds: number): string {
  const { of, party, limit } = reached;
  const count = limit.toLocaleString('en-US');
  if (of === 'turnsPerMinute') {
    const who = { chat: 'In this chat I take', speaker: 'From one person I take', tenant: 'This bot takes' }[
      party
    ];
    return `That is too fast: ${who} ${messages(limit)} a minute. ${notKept(seconds)}`;
  }
  if (of === 'waiting') {
    const where = { chat: 'in this chat', speaker: 'from you', tenant: 'for this bot' }[party];
    const so = limit === 1 ? 'one message is' : `${count} messages are`;
    return `Please wait: ${so} waiting ${where} already, and no more may. ${notKept(seconds)}`;
  }
  const full =
    of === 'sessions'
      ? `This bot keeps ${count} conversation${limit === 1 ? '' : 's'} at most, and cannot begin another`
      : `This bot has used up its storage (${count} bytes)`;
  return `${full}. I did not keep this message. Whoever runs the bot can make room.`;
}

function messages(limit: number): string {
  return limit === 1 ? 'one message' : `${limit.toLocaleString('en-US')} messages`;
}

function notKept(seconds: number): string {
  const wait = seconds === 1 ? 'a second' : `${seconds} seconds`;
  return `I did not keep this message, and keep no others until then: please send it again in ${wait}.`;
}
