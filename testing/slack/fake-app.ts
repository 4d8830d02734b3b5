// One app in one workspace: its channels, what people do in them, and what the app was told of it.
import { createFaultPlan, type FaultPlan } from '../telegram/faults.ts';
import { createEventSender, type EventSender, type SentResult, signedHeaders } from './event-sender.ts';
import { type ChannelStore, createFakeChannel, type FakeChannel } from './fake-channel.ts';
import { createFakeFiles, type FakeFiles, type FileStore } from './fake-files.ts';
import { createRates } from './rates.ts';

export interface FakeAppOptions {
  readonly token: string;
  readonly signingSecret?: string;
  readonly teamId?: string;
  readonly botUserId?: string;
  /** The time that streams end by. */
  readonly now?: () => number;
}

export interface SayOptions {
  /** Who writes; by default the workspace's own Anna. */
  readonly from?: string;
  /** In a thread, named by the `ts` of its first message. */
  readonly thread?: string;
  /** The person's workspace, where it is another one: the channel is shared by Slack Connect. */
  readonly team?: string;
  /** More fields of the event, such as `files`. */
  readonly event?: Readonly<Record<string, unknown>>;
}

export interface Said {
  readonly ts: string;
  /** Each event as it was sent. */
  readonly events: readonly Readonly<Record<string, unknown>>[];
  /** Answers to each event, once all were given. */
  readonly delivered: Promise<readonly (readonly SentResult[])[]>;
}

export interface FakeApp {
  readonly teamId: string;
  readonly botUserId: string;
  readonly signingSecret: string;
  readonly faults: FaultPlan;
  readonly files: FakeFiles;
  /** What its installation was granted: all that the manifest asks for, at first. */
  readonly scopes: Set<string>;
  readonly calls: readonly { readonly method: string; readonly outcome: string }[];
  /** Where Slack sends events; it asks first whether that is the app (`url_verification`). */
  subscribe(url: string): Promise<boolean>;
  /** A person writes. In a channel the app is told of all, and of a mention twice. */
  say(channel: string, text: string, options?: SayOptions): Said;
  /** A person presses a button of that message; what Slack posts because of it. */
  press(channel: string, ts: string, label: string, from?: string): Readonly<Record<string, unknown>>;
  /** A person writes a slash command; the form that Slack posts because of it. */
  slash(channel: string, command: string, text: string, options?: { from?: string; team?: string }): string;
  /** Sends that form; Slack asks once, and shows the answer to the person alone. */
  sendSlash(form: string): Promise<SentResult>;
  /** Sends a press, as the form that it is. */
  sendPress(press: Readonly<Record<string, unknown>>): Promise<readonly SentResult[]>;
  /** The same events once more, as after an answer that came too late. */
  redeliver(said: Said): Promise<readonly (readonly SentResult[])[]>;
  channel(id: string): FakeChannel;
  /** Of threads in the app's list, by channel and thread. */
  readonly titles: Map<string, string>;
  /** Any body, signed as of `atMs`. */
  signed(body: string, atMs?: number): Record<string, string>;
  expireToken(): void;
  revokeToken(): void;
}

export interface ServedApp extends FakeApp {
  readonly files: FileStore;
  readonly sender: EventSender;
  readonly rates: ReturnType<typeof createRates>;
  /** Why the token is refused; null while it is good. */
  readonly tokenProblem: string | null;
  store(id: string): ChannelStore | undefined;
  note(method: string, outcome: string): void;
}

export const ANNA = 'U0ANNA';

let count = 0;
const unique = () => String(++count).padStart(6, '0');

/** `origin`: where its files are given out. */
export function createFakeApp(options: FakeAppOptions, origin: () => string): ServedApp {
  const {
    signingSecret = 'signing-secret-of-the-test-app',
    teamId = 'T0HOME',
    botUserId = 'U0BOT',
    now = Date.now,
  } = options;
  const channels = new Map<string, ChannelStore>();
  const scopes = new Set(['assistant:write', 'chat:write', 'files:read', 'files:write']);
  const titles = new Map<string, string>();
  const calls: { method: string; outcome: string }[] = [];
  const sender = createEventSender(() => signingSecret);
  let tokenProblem: string | null = null;
  const nextTs = () => `${Math.floor(Date.now() / 1_000)}.${unique()}`;

  function channelOf(id: string): ChannelStore {
    const known = channels.get(id);
    if (known) return known;
    const made = createFakeChannel(id, id.startsWith('D'), botUserId, nextTs, now);
    channels.set(id, made);
    return made;
  }

  const envelope = (event: object, isShared: boolean) => ({
    token: 'deprecated',
    team_id: teamId,
    context_team_id: teamId,
    api_app_id: 'A0APP',
    type: 'event_callback',
    event_id: `Ev${unique()}`,
    event_time: Math.floor(Date.now() / 1_000),
    authorizations: [
      {
        enterprise_id: null,
        team_id: teamId,
        user_id: botUserId,
        is_bot: true,
        is_enterprise_install: false,
      },
    ],
    is_ext_shared_channel: isShared,
    event,
  });
  const deliver = (events: readonly object[]) =>
    Promise.all(events.map((event) => sender.send(JSON.stringify(event), 'application/json')));

  return {
    teamId,
    botUserId,
    signingSecret,
    sender,
    faults: createFaultPlan(),
    files: createFakeFiles(origin, unique, scopes),
    scopes,
    titles,
    rates: createRates(),
    calls,
    get tokenProblem() {
      return tokenProblem;
    },
    store: (id) => channels.get(id),
    channel: channelOf,
    note: (method, outcome) => void calls.push({ method, outcome }),
    async subscribe(url) {
      sender.subscribe(url);
      const challenge = `challenge-${unique()}`;
      const body = JSON.stringify({ type: 'url_verification', token: 'deprecated', challenge });
      const [answer] = await sender.send(body, 'application/json');
      return answer !== undefined && answer.status === 200 && answer.body.includes(challenge);
    },
    say(id, text, { from = ANNA, thread, team, event: more = {} } = {}) {
      const channel = channelOf(id);
      const { ts } = channel.add(from, text, [], thread ?? null);
      const parent = channel.allMessages.find((message) => message.ts === thread);
      const base = {
        ...{ user: from, text, ts, channel: id, event_ts: ts, team: team ?? teamId },
        ...(thread === undefined ? {} : { thread_ts: thread }),
        ...(parent === undefined ? {} : { parent_user_id: parent.user }),
        ...(team === undefined ? {} : { user_team: team, source_team: team }),
        ...more,
      };
      const kind = channel.isPrivate ? 'im' : 'channel';
      const isMention = !channel.isPrivate && text.includes(`<@${botUserId}>`);
      const events = [
        ...(isMention ? [{ type: 'app_mention', ...base }] : []),
        { type: 'message', channel_type: kind, ...base },
      ].map((event) => envelope(event, team !== undefined));
      return { ts, events, delivered: deliver(events) };
    },
    press(id, ts, label, from = ANNA) {
      const message = channelOf(id).messages.find((one) => one.ts === ts);
      const button = message?.buttons.find(({ text }) => text.includes(label));
      if (!message || !button) throw new Error(`There is no button "${label}" to press.`);
      const { actionId, value } = button;
      const thread = message.threadTs === null ? {} : { thread_ts: message.threadTs };
      return {
        type: 'block_actions',
        user: { id: from, username: from.toLowerCase(), name: from.toLowerCase(), team_id: teamId },
        api_app_id: 'A0APP',
        token: 'deprecated',
        container: { type: 'message', message_ts: ts, channel_id: id, is_ephemeral: false, ...thread },
        trigger_id: `1.2.${unique()}`,
        team: { id: teamId, domain: 'test' },
        enterprise: null,
        is_enterprise_install: false,
        channel: { id, name: channelOf(id).isPrivate ? 'directmessage' : 'general' },
        message: {
          type: 'message',
          user: botUserId,
          ts,
          text: message.fallback,
          blocks: message.blocks,
          ...thread,
        },
        response_url: 'https://hooks.slack.com/actions/T0/1/x',
        actions: [{ type: 'button', action_id: actionId, block_id: 'b1', value, action_ts: nextTs() }],
      };
    },
    slash(id, command, text, { from = ANNA, team = teamId } = {}) {
      const form = {
        ...{
          token: 'deprecated',
          team_id: team,
          team_domain: 'test',
          user_id: from,
          user_name: from.toLowerCase(),
        },
        ...{ channel_id: id, channel_name: channelOf(id).isPrivate ? 'directmessage' : 'general' },
        ...{ command, text, api_app_id: 'A0APP', is_enterprise_install: 'false' },
        ...{ response_url: 'https://hooks.slack.com/commands/T0/1/x', trigger_id: `3.4.${unique()}` },
      };
      return new URLSearchParams(form).toString();
    },
    async sendSlash(form) {
      const [result] = await sender.send(form, 'application/x-www-form-urlencoded', { once: true });
      return result ?? { status: 0, body: '' };
    },
    sendPress: (press) =>
      sender.send(
        new URLSearchParams({ payload: JSON.stringify(press) }).toString(),
        'application/x-www-form-urlencoded',
      ),
    redeliver: ({ events }) => deliver(events),
    signed: (body, atMs = Date.now()) => signedHeaders(body, signingSecret, atMs),
    expireToken() {
      tokenProblem = 'token_expired';
    },
    revokeToken() {
      tokenProblem = 'token_revoked';
    },
  };
}
