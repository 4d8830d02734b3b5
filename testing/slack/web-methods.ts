// The Web API methods of the fake. Names, answers and codes are Slack's own.
import { acceptBlocks, acceptText } from './block-rules.ts';
import type { ServedApp } from './fake-app.ts';
import type { ChannelStore } from './fake-channel.ts';
import { SlackRefusal } from './slack-refusal.ts';

export type Payload = Readonly<Record<string, unknown>>;

export function callMethod(app: ServedApp, method: string, payload: Payload): object {
  const run = METHODS[method];
  if (!run) throw new SlackRefusal('unknown_method');
  app.rates.check(method, String(payload.channel ?? ''));
  return run(app, payload);
}

const MAX_APPENDED = 12_000;

const METHODS: Readonly<Record<string, (app: ServedApp, payload: Payload) => object>> = {
  'auth.test': ({ teamId, botUserId }) => ({
    url: 'https://test.slack.com/',
    team: 'Test',
    user: 'hybrid',
    team_id: teamId,
    user_id: botUserId,
    bot_id: 'B0BOT',
  }),
  'chat.postMessage': (app, payload) => {
    const channel = writable(app, payload);
    const text = acceptText(payload.text, false);
    const blocks = acceptBlocks(payload.blocks) ?? [];
    if (text === '' && blocks.length === 0) throw new SlackRefusal('no_text');
    const threadTs = payload.thread_ts === undefined ? null : String(payload.thread_ts);
    const { ts } = channel.add(app.botUserId, text, blocks, threadTs);
    return { channel: channel.id, ts, message: { type: 'message', user: app.botUserId, text, ts } };
  },
  'chat.update': (app, payload) => {
    const channel = writable(app, payload);
    const text = acceptText(payload.text, true);
    const blocks = acceptBlocks(payload.blocks);
    if (text === '' && (blocks ?? []).length === 0) throw new SlackRefusal('no_text');
    const { ts } = channel.edit(String(payload.ts), text, blocks);
    return { channel: channel.id, ts, text };
  },
  'files.info': (app, payload) => app.files.info(String(payload.file)),
  'files.getUploadURLExternal': (app, { filename, length, alt_text: altText }) =>
    app.files.begin(filename, length, altText),
  'files.completeUploadExternal': (app, payload) => {
    const channel = payload.channel_id === undefined ? null : app.store(String(payload.channel_id));
    if (channel === undefined) throw new SlackRefusal('invalid_channel');
    channel?.checkWritable();
    const files = app.files.finish(payload.files, channel?.id ?? null);
    const threadTs = payload.thread_ts === undefined ? null : String(payload.thread_ts);
    const comment = acceptText(payload.initial_comment, false);
    channel?.add(app.botUserId, comment, [], threadTs, files);
    return { files: files.map(({ id, title }) => ({ id, title })) };
  },
  'chat.startStream': (app, payload) => {
    const channel = writable(app, payload);
    if (payload.thread_ts === undefined) throw new SlackRefusal('invalid_thread_ts');
    if (payload.recipient_team_id === undefined) throw new SlackRefusal('missing_recipient_team_id');
    if (payload.recipient_user_id === undefined) throw new SlackRefusal('missing_recipient_user_id');
    return { channel: channel.id, ts: channel.startStream(String(payload.thread_ts)) };
  },
  'chat.appendStream': (app, payload) => {
    const channel = writable(app, payload);
    const text = String(payload.markdown_text ?? '');
    if (text === '') throw new SlackRefusal('no_text');
    if (text.length > MAX_APPENDED) throw new SlackRefusal('msg_too_long');
    channel.append(String(payload.ts), text);
    return { channel: channel.id, ts: String(payload.ts) };
  },
  'chat.stopStream': (app, payload) => {
    const channel = writable(app, payload);
    channel.endStream(String(payload.ts));
    return { channel: channel.id, ts: String(payload.ts) };
  },
  'assistant.threads.setStatus': (app, payload) => {
    const channel = app.store(String(payload.channel_id));
    if (!channel) throw new SlackRefusal('channel_not_found');
    if (!payload.thread_ts) throw new SlackRefusal('invalid_thread_ts');
    channel.checkWritable();
    channel.setStatus(String(payload.thread_ts), String(payload.status ?? ''));
    return {};
  },
  'assistant.threads.setTitle': (app, payload) => {
    if (!app.scopes.has('assistant:write')) throw new SlackRefusal('missing_scope');
    app.titles.set(`${payload.channel_id} ${payload.thread_ts}`, String(payload.title));
    return {};
  },
  'chat.delete': (app, payload) => {
    const channel = writable(app, payload);
    channel.remove(String(payload.ts));
    return { channel: channel.id, ts: String(payload.ts) };
  },
};

function writable(app: ServedApp, payload: Payload): ChannelStore {
  const channel = app.store(String(payload.channel));
  if (!channel) throw new SlackRefusal('channel_not_found');
  channel.checkWritable();
  return channel;
}
