// Ann in a direct conversation with a Slack app.
import { slack as channel } from '../../src/channels/slack/descriptor.ts';
import { ANNA } from '../slack/fake-app.ts';
import { startFakeSlack } from '../slack/fake-slack.ts';
import type { Platform } from './person.ts';

const TOKEN = 'xoxb-1-token-of-the-script';
const DM = 'D0ANN';
const NO_FILES = 'files are neither read nor sent on Slack yet; the agent is told that something came';

export async function openSlack(): Promise<Platform> {
  const slack = await startFakeSlack();
  const app = slack.addApp({ token: TOKEN });
  const chat = () => app.channel(DM);
  const say = async (text: string) => {
    // Slack keeps for itself what begins with a slash.
    await app.say(DM, text.startsWith('/') ? `<@${app.botUserId}> ${text}` : text).delivered;
  };
  return {
    person: {
      channel: 'Slack',
      can: {
        streams: 'by edits',
        picks: 'yes',
        sendsPictures: { no: NO_FILES },
        getsFiles: { no: NO_FILES },
        longAnswers: 'yes',
      },
      writes: say,
      async picks(label) {
        const message = chat().messages.findLast(({ buttons }) =>
          buttons.some(({ text }) => text.includes(label)),
        );
        await app.sendPress(app.press(DM, message?.ts ?? '', label));
      },
      sendsPicture: say,
      lines: async () =>
        chat().messages.map(({ user, text, buttons }) => ({
          by: user === app.botUserId ? 'Bot' : 'Ann',
          text: text.replaceAll(`<@${app.botUserId}>`, '@bot'),
          buttons: buttons.map((button) => button.text),
        })),
      everSeen: async () =>
        chat().allMessages.flatMap(({ user, history }) => (user === app.botUserId ? history : [])),
      files: async () => new Map(),
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
