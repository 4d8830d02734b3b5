// Ann, who writes to an AI bot of her company's WeCom.
import { wecom as channel } from '../../src/channels/wecom/descriptor.ts';
import { startFakeWecom } from '../wecom/fake-wecom.ts';
import { PICTURE_NAME } from './model.ts';
import { createChatRecord, numberOf, type Platform } from './person.ts';

const ANN = 'ann.li';

export async function openWecom(): Promise<Platform> {
  let url = '';
  const wecom = await startFakeWecom({ callback: () => url });
  const { botId, token, aesKey } = wecom.bot;
  const bot = () => wecom.chat(ANN).map((text) => ({ by: 'Bot' as const, text }));
  const record = createChatRecord(bot);
  const say = async (text: string) => {
    record.says(text);
    await wecom.say(ANN, text);
  };
  return {
    person: {
      channel: 'WeCom',
      can: {
        streams: { no: 'one message may follow each message, and it cannot be changed' },
        picks: 'by numbers',
        sendsPictures: 'yes',
        getsFiles: {
          no: 'an answer is one message of Markdown: it names the files, which are kept with the chat',
        },
        longAnswers: { no: 'one message may follow each message; the next one brings the rest' },
      },
      writes: say,
      picks: async (label) => await say(numberOf(label, record.lines())),
      async sendsPicture(words, bytes) {
        record.says(words, PICTURE_NAME);
        const msg_item = [
          { msgtype: 'text', text: { content: words } },
          { msgtype: 'image', image: { url: wecom.keepFile(bytes) } },
        ];
        await wecom.bring(wecom.payload(ANN, { msgtype: 'mixed', mixed: { msg_item } }));
      },
      lines: async () => record.lines(),
      everSeen: async () => wecom.chat(ANN),
      files: async () => new Map(),
    },
    local: {
      env: {
        WECOM_BOT_ID: botId,
        WECOM_TOKEN: token,
        WECOM_AES_KEY: aesKey,
        WECOM_API_ROOT: wecom.apiRoot,
      },
      section: ['wecom', { allowedUsers: [ANN] }],
    },
    own: {
      channel,
      section: {
        tokenParameter: '/script/wecom-token',
        aesKeyParameter: '/script/wecom-aes-key',
        botId,
        apiRoot: wecom.apiRoot,
        allowedUsers: [ANN],
      },
      secrets: { '/script/wecom-token': token, '/script/wecom-aes-key': aesKey },
    },
    async found({ ingressUrl }) {
      url = `${ingressUrl}/wecom`;
    },
    close: () => wecom.close(),
  };
}
