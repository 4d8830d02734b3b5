// Ann in a private chat with a Telegram bot. A wiring that brings its own Telegram says so when it is found.
import type { FakeBot } from '../telegram/fake-bot.ts';
import { startFakeTelegram } from '../telegram/fake-telegram.ts';
import { PICTURE_NAME } from './model.ts';
import type { Platform } from './person.ts';

export const ANN = 1001;
const TOKEN = '4242:TOKEN-OF-THE-SCRIPT';

export async function openTelegram(): Promise<Platform> {
  const telegram = await startFakeTelegram();
  let bot: FakeBot = telegram.addBot({ token: TOKEN, username: 'hybrid_test_bot' });
  const chat = () => bot.chat(ANN);
  const pictures = new Map<number, string>();
  return {
    person: {
      channel: 'Telegram',
      can: { streams: 'yes', picks: 'yes', sendsPictures: 'yes', getsFiles: 'yes', longAnswers: 'yes' },
      async writes(text) {
        bot.say(ANN, text);
      },
      async picks(label) {
        const message = chat().messages.findLast(({ buttons }) =>
          buttons.flat().some(({ text }) => text.includes(label)),
        );
        bot.press(ANN, message?.id ?? 0, label);
      },
      async sendsPicture(words, bytes) {
        const photo = [{ ...bot.files.keep(bytes), width: 40, height: 30 }];
        const { messageId } = bot.say(ANN, '', { fields: { photo, caption: words } });
        pictures.set(messageId, words);
      },
      lines: async () =>
        chat().messages.map(({ id, from, text, buttons, file }) => ({
          by: from === 'bot' ? 'Bot' : 'Ann',
          text: pictures.get(id) ?? text,
          buttons: buttons.flat().map((button) => button.text),
          ...(file || pictures.has(id) ? { file: file?.name ?? PICTURE_NAME } : {}),
        })),
      everSeen: async () => [
        ...chat().drafts.map(({ text }) => text),
        ...chat().allMessages.flatMap(({ from, history }) => (from === 'bot' ? history : [])),
      ],
      files: async () =>
        new Map(chat().messages.flatMap(({ file }) => (file ? [[file.name, file.bytes]] : []))),
    },
    local: {
      env: { TELEGRAM_BOT_TOKEN: TOKEN, TELEGRAM_API_ROOT: telegram.apiRoot },
      section: ['telegram', { allowedUsers: [ANN] }],
    },
    async found({ telegramBot }) {
      bot = telegramBot ?? bot;
    },
    close: () => telegram.close(),
  };
}
