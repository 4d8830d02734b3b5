// The people's side of the fake over HTTP, for programs that run it beside real ones (a page, another process):
//   POST /person/<bot id>/say           {"chat_id": 1001, "text": "hello", "from"?: 1001, "thread"?: 7}
//   GET  /person/<bot id>/chats/<id>    {"messages": [...]} as the person sees them now
// The real Bot API has nothing like it. Loopback only, like the rest.
import type { Payload } from './bot-methods.ts';
import type { FakeBot } from './fake-bot.ts';

export interface PersonAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** null when the path is not the people's. */
export function answerPerson(bots: Iterable<FakeBot>, path: string, payload: Payload): PersonAnswer | null {
  const [, botId, action, chatId] = /^\/person\/(\d+)\/(say|chats)(?:\/(-?\d+))?$/.exec(path) ?? [];
  if (!botId) return null;
  const bot = [...bots].find(({ id }) => String(id) === botId);
  if (!bot) return { status: 404, body: { error: 'no such bot' } };
  if (action === 'chats') return { status: 200, body: { messages: bot.chat(Number(chatId)).messages } };
  const { chat_id: chat, text, from, thread } = payload;
  if (typeof chat !== 'number' || typeof text !== 'string' || text === '') {
    return { status: 400, body: { error: 'chat_id (a number) and text are needed' } };
  }
  const said = bot.say(chat, text, {
    ...(typeof from === 'number' ? { from } : {}),
    ...(typeof thread === 'number' ? { thread } : {}),
  });
  return { status: 200, body: said };
}
