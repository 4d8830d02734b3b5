// Ann in a thread of a channel with a Slack app, which she mentions.
import { slack as channel } from '../../src/channels/slack/descriptor.ts';
import { ANNA } from '../slack/fake-app.ts';
import { startFakeSlack } from '../slack/fake-slack.ts';
import { PICTURE_NAME } from './model.ts';
import type { Platform } from './person.ts';

const TOKEN = 'xoxb-1-token-of-the-script';
const CHANNEL = 'C0TEA';

export async function openSlack(): Promise<Platform> {
  const slack = await startFakeSlack();
  const app = slack.addApp({ token: TOKEN });
  const mention = `<@${app.botUserId}>`;
  const thread = () => app.channel(CHANNEL).messages.filter((one) => [one.ts, one.threadTs].includes(first));
  let first: string | null = null;
  // In a thread a mention goes before what begins with a slash, as before everything else.
  const say = async (text: string, event: Readonly<Record<string, unknown>> = {}) => {
    const place = first === null ? {} : { thread: first };
    const said = app.say(CHANNEL, `${mention} ${text}`, { ...place, event });
    first ??= said.ts;
    await said.delivered;
    return said.ts;
  };
  const pictures = new Set<string>();
  return {
    person: {
      channel: 'Slack',
      can: { streams: 'yes', picks: 'yes', sendsPictures: 'yes', getsFiles: 'yes', longAnswers: 'yes' },
      writes: async (text) => void (await say(text)),
      async picks(label) {
        const message = thread().findLast(({ buttons }) => buttons.some(({ text }) => text.includes(label)));
        await app.sendPress(app.press(CHANNEL, message?.ts ?? '', label));
      },
      async sendsPicture(words, bytes) {
        const files = [app.files.keep(PICTURE_NAME, 'image/png', Buffer.from(bytes))];
        pictures.add(await say(words, { subtype: 'file_share', files }));
      },
      lines: async () =>
        thread().map(({ ts, user, text, buttons, files }) => {
          const file = pictures.has(ts) ? PICTURE_NAME : files[0]?.name;
          return {
            by: user === app.botUserId ? 'Bot' : 'Ann',
            text: text.replaceAll(mention, '@bot'),
            buttons: buttons.map((button) => button.text),
            ...(file === undefined ? {} : { file }),
          };
        }),
      everSeen: async () =>
        app
          .channel(CHANNEL)
          .allMessages.flatMap(({ user, history }) => (user === app.botUserId ? history : [])),
      files: async () =>
        new Map(thread().flatMap(({ files }) => files.map(({ name, bytes }) => [name, bytes]))),
    },
    local: {
      env: { SLACK_BOT_TOKEN: TOKEN, SLACK_SIGNING_SECRET: app.signingSecret, SLACK_API_URL: slack.apiUrl },
      section: ['slack', { allowedUsers: [ANNA] }],
    },
    own: {
      channel,
      section: {
        tokenParameter: '/script/slack-token',
        signingSecretParameter: '/script/slack-signing',
        apiUrl: slack.apiUrl,
        allowedUsers: [ANNA],
        allowedChannels: [],
      },
      secrets: { '/script/slack-token': TOKEN, '/script/slack-signing': app.signingSecret },
    },
    async found({ ingressUrl }) {
      if (!(await app.subscribe(`${ingressUrl}/slack`))) throw new Error('Slack does not find the app.');
    },
    close: () => slack.close(),
  };
}
