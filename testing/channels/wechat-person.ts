// Ann, who follows a WeChat service account.
import { wechat as channel } from '../../src/channels/wechat/descriptor.ts';
import { startFakeWechat } from '../wechat/fake-wechat.ts';
import { PICTURE_NAME } from './model.ts';
import { createChatRecord, numberOf, type Platform } from './person.ts';

const ANN = 'oAnn-6_follower';
/** Not WeChat's five seconds: how busy a machine is is not what is shown. */
const ANSWER_MS = 60_000;

export async function openWechat(): Promise<Platform> {
  let url = '';
  const wechat = await startFakeWechat({ callback: () => url, answerMs: ANSWER_MS });
  const { appId, appSecret, token, aesKey } = wechat.account;
  const bot = () =>
    wechat.chat(ANN).map((text, at, all) => {
      const nth = all.slice(0, at).filter((one) => one === '[image]').length;
      const file = text === '[image]' ? wechat.media(ANN)[nth]?.name : undefined;
      return {
        by: 'Bot' as const,
        text: file === undefined ? text : '',
        ...(file === undefined ? {} : { file }),
      };
    });
  const record = createChatRecord(bot);
  const say = async (text: string) => {
    record.says(text);
    await wechat.say(ANN, text);
  };
  return {
    person: {
      channel: 'WeChat',
      can: {
        streams: { no: 'a message cannot be changed, and each one counts: only “typing” is shown' },
        picks: 'by numbers',
        sendsPictures: 'yes',
        getsFiles: 'yes',
        longAnswers: { no: 'five messages may follow each message; the next one brings the rest' },
      },
      writes: say,
      picks: async (label) => await say(numberOf(label, record.lines())),
      // WeChat sends no words with a picture.
      async sendsPicture(_words, bytes) {
        record.says('', PICTURE_NAME);
        await wechat.sendMedia(ANN, { kind: 'image', mediaType: 'image/png', bytes });
      },
      lines: async () => record.lines(),
      everSeen: async () => wechat.chat(ANN),
      files: async () => new Map(wechat.media(ANN).map(({ name, bytes }) => [name, bytes])),
    },
    local: {
      env: {
        WECHAT_APP_ID: appId,
        WECHAT_APP_SECRET: appSecret,
        WECHAT_TOKEN: token,
        WECHAT_AES_KEY: aesKey ?? 'plain',
        WECHAT_API_ROOT: wechat.apiRoot,
      },
      section: ['wechat', { allowedUsers: [ANN] }],
    },
    own: {
      channel,
      section: {
        appSecretParameter: '/script/wechat-secret',
        tokenParameter: '/script/wechat-token',
        aesKeyParameter: '/script/wechat-aes-key',
        appId,
        apiRoot: wechat.apiRoot,
        allowedUsers: [ANN],
      },
      secrets: {
        '/script/wechat-secret': appSecret,
        '/script/wechat-token': token,
        '/script/wechat-aes-key': aesKey ?? 'plain',
      },
    },
    async found({ ingressUrl }) {
      url = `${ingressUrl}/wechat`;
    },
    close: () => wechat.close(),
  };
}
