// One event of each kind that Slack documents, and what it is to become (https://docs.slack.dev/reference/events).
import type { Documented } from '../../testing/contracts/channel.ts';
import type { FakeApp } from '../../testing/slack/fake-app.ts';

interface DocumentedEvent extends Omit<Documented, 'post'> {
  readonly body: string;
}

export function documentedEvents(app: FakeApp, dm: string, channel: string): readonly DocumentedEvent[] {
  const last = (...said: Parameters<FakeApp['say']>) => JSON.stringify(app.say(...said).events.at(-1));
  const event = (fields: object) => {
    const whole = app.say(dm, 'x').events.at(-1) ?? {};
    const { event: said, ...envelope } = whole as { event: object };
    return JSON.stringify({ ...envelope, event: { ...said, ...fields } });
  };
  const bare = (fields: object) => {
    const { event: _, ...envelope } = (app.say(dm, 'x').events.at(-1) ?? {}) as { event: object };
    return JSON.stringify({ ...envelope, event: fields });
  };
  const mention = `<@${app.botUserId}>`;
  const message = (text: string) => ({ kind: 'message' as const, text });
  return [
    { name: 'a direct message', body: last(dm, 'hello'), becomes: message('hello') },
    { name: 'a mention', body: last(channel, `${mention} do it`), becomes: message('do it') },
    {
      name: 'a mention with a name',
      body: last(channel, `<@${app.botUserId}|bot>, go`),
      becomes: message('go'),
    },
    {
      name: 'a mention in a thread',
      body: last(channel, `please ${mention}`, { thread: '1700000000.000100' }),
      becomes: message(`please ${mention}`),
    },
    { name: 'what others say in a channel', body: last(channel, 'lunch?'), becomes: null },
    {
      name: 'a message with a file',
      body: last(dm, 'look', {
        event: { subtype: 'file_share', files: [{ id: 'F1', mimetype: 'image/png' }] },
      }),
      becomes: message('look'),
    },
    {
      name: 'people, channels, links and entities in a text',
      body: last(
        dm,
        'ask <@U0BOB|bob> in <#C1|ops> about <https://x.test/a|this> &amp; <https://y.test> &lt;b&gt;',
      ),
      becomes: message('ask @bob (<@U0BOB>) in #ops about this & https://y.test <b>'),
    },
    {
      name: 'a changed message',
      body: event({ subtype: 'message_changed', message: { text: 'new' }, previous_message: {} }),
      becomes: null,
    },
    {
      name: 'a deleted message',
      body: event({ subtype: 'message_deleted', deleted_ts: '1.2' }),
      becomes: null,
    },
    { name: 'somebody joined', body: event({ subtype: 'channel_join' }), becomes: null },
    { name: 'a message of another app', body: event({ bot_id: 'B0OTHER' }), becomes: null },
    { name: 'our own message', body: event({ user: app.botUserId }), becomes: null },
    {
      name: 'a reaction',
      body: bare({ type: 'reaction_added', user: 'U0ANNA', reaction: 'eyes' }),
      becomes: null,
    },
    {
      name: 'the home tab',
      body: bare({ type: 'app_home_opened', user: 'U0ANNA', tab: 'home' }),
      becomes: null,
    },
    { name: 'the app is removed', body: bare({ type: 'app_uninstalled' }), becomes: null },
    {
      name: 'its tokens are revoked',
      body: bare({ type: 'tokens_revoked', tokens: { bot: ['U0BOT'] } }),
      becomes: null,
    },
    {
      name: 'another workspace',
      body: event({}).replace(
        '"authorizations":[{"enterprise_id":null,"team_id":"T0HOME"',
        '"authorizations":[{"enterprise_id":null,"team_id":"T0ELSE"',
      ),
      becomes: null,
    },
    {
      name: 'a notice about rates',
      body: JSON.stringify({ type: 'app_rate_limited', team_id: app.teamId }),
      becomes: null,
    },
  ];
}
