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
