// What a person does in a scenario, and how the chat reads to them: one line per message, with its buttons. What differs
// from run to run (ids, times) is shown as a word.
import type { FakeBot } from '../../../testing/telegram/fake-bot.ts';
import type { FakeChat, FakeMessage } from '../../../testing/telegram/fake-chat.ts';
import { until } from '../../waiting.ts';
import { type Place, placeOf, STRANGER } from './places.ts';
import type { World } from './world.ts';

interface Saying {
  readonly in?: Place;
  readonly thread?: number;
  readonly fields?: Record<string, unknown>;
  readonly from?: number;
}

export interface Person {
  readonly bot: FakeBot;
  readonly ann: number;
  /** Somebody else, whom groups know. */
  readonly ben: number;
  chat(place?: Place): FakeChat;
  /** Writes, and waits until all is answered. Returns the message's id. */
  says(text: string, saying?: Saying): Promise<number>;
  /** Writes and goes on at once. */
  writes(text: string, saying?: Saying): { readonly updateId: number; readonly messageId: number };
  /** Waits until a message of the bot, or its draft, says this. */
  sees(words: string, place?: Place): Promise<void>;
  presses(label: string, options?: { readonly in?: Place; readonly from?: number }): Promise<void>;
  /** Reacts to the newest message of the bot that says this. */
  reacts(emoji: string | null, words: string): Promise<void>;
  /** Lets the agent that works go on. */
  lets(): void;
  /** Time goes by. */
  waitsASecond(): void;
  /** Waits until every update is taken in, whatever runs. */
  taken(): Promise<void>;
  settled(): Promise<void>;
}

export function personOf(world: World, scenario: number): Person {
  const { bot } = world;
  const chatId = (place: Place = 'private') => placeOf(place, scenario);
  const ann = chatId('private');
  const writes: Person['writes'] = (text, { in: place = 'private', from, thread, fields } = {}) => {
    const chat = chatId(place);
    const speaker = from ?? (chat > 0 ? chat : ann);
    return bot.say(chat, text, {
      from: speaker,
      ...(thread === undefined ? {} : { thread }),
      ...(fields === undefined ? {} : { fields }),
    });
  };
  return {
    bot,
    ann,
    ben: ann + 5_000,
    chat: (place) => bot.chat(chatId(place)),
    async says(text, saying) {
      const { messageId } = writes(text, saying);
      await world.settled();
      return messageId;
    },
    writes,
    async sees(words, place) {
      const chat = bot.chat(chatId(place));
      await until(
        () => chat.draft?.text.includes(words) || chat.botTexts.some((text) => text.includes(words)),
        `"${words}" to be seen`,
      );
    },
    async presses(label, { in: place = 'private', from } = {}) {
      const chat = bot.chat(chatId(place));
      const message = chat.messages.findLast(({ buttons }) =>
        buttons.flat().some(({ text }) => text.includes(label)),
      );
      bot.press(chat.id, message?.id ?? 0, label, { from: from ?? (chat.id > 0 ? chat.id : ann) });
      await world.settled();
    },
    async reacts(emoji, words) {
      const chat = bot.chat(ann);
      const message = chat.messages.findLast(({ from, text }) => from === 'bot' && text.includes(words));
      bot.update({
        message_reaction: {
          chat: { id: ann, type: 'private' },
          message_id: message?.id ?? 0,
          user: { id: ann, is_bot: false, first_name: `Person ${ann}` },
          date: 1,
          old_reaction: [],
          new_reaction: emoji === null ? [] : [{ type: 'emoji', emoji }],
        },
      });
      await world.settled();
    },
    lets: () => world.release(),
    waitsASecond: () => world.clock.shift(1_100),
    async taken() {
      await until(() => bot.feed.pending.length === 0, 'the updates to be taken in');
    },
    settled: () => world.settled(),
  };
}

/** The chat as it is now, oldest message first. */
export function linesOf(person: Person, place: Place = 'private'): readonly string[] {
  const chat = person.chat(place);
  const topics = [...new Set(chat.messages.flatMap(({ threadId }) => threadId ?? []))];
  return chat.messages.map((message) => lineOf(person, message, topics));
}

function lineOf({ ann, ben }: Person, message: FakeMessage, topics: readonly number[]): string {
  const { from, text, threadId, buttons } = message;
  const names: Readonly<Record<number, string>> = { [ben]: 'Ben', [STRANGER]: 'Stranger' };
  const who = from === 'bot' ? 'Bot' : (names[from] ?? (from === ann || from > 0 ? 'Ann' : 'Somebody'));
  const topic = threadId === null ? '' : `(topic ${topics.indexOf(threadId) + 1}) `;
  const below = buttons.flat().map((button) => ` [${button.text}]`);
  const named = (words: string) =>
    words.replaceAll(`Person ${ann}`, 'Ann').replaceAll(`Person ${ben}`, 'Ben');
  return named(`${topic}${who}: ${shown(text)}${below.join('')}`);
}

const LONGEST = 150;

function shown(text: string): string {
  const steady = text
    .replace(/Session `[0-9a-f]{8}`/, 'Session `…`')
    .replace(/Support id: [^)]+/, 'Support id: …')
    .replace(/\d{4}-\d\d-\d\d/g, 'a day')
    .replace(/at \d\d:\d\d:\d\d UTC/g, 'at a time')
    .replaceAll('\n', ' ⏎ ');
  if (steady.length <= LONGEST) return steady;
  return `${steady.slice(0, 70)} … ${steady.slice(-40)} (${text.length} characters)`;
}
