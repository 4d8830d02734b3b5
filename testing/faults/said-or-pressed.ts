// What a simulated person sends for a planned message: a text, or the press of a button below a question. A press waits until
// the question is to be seen, so it is left out when there turns out to be none.
import { setTimeout as pause } from 'node:timers/promises';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import type { SessionStore } from '../../src/core/ports.ts';
import { isCommitted } from '../../src/core/records.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';
import { fileOf } from './model.ts';
import { type PlannedMessage, promptOf } from './planned.ts';
import { movedChatId, type Sent, telegramChatId } from './sent.ts';

export type Input =
  | { readonly text: string }
  | {
      /** The message with the button, and who presses it; in Telegram. */
      readonly messageId: number;
      readonly label: string;
      readonly from: number;
      readonly question: string;
      readonly decision: 'once' | 'chat' | 'deny';
    };

/** Where people see what they answer. */
export interface Looking {
  readonly bot: FakeBot;
  readonly turns: Pick<SessionStore, 'getTurn'>;
  readonly moved: ReadonlySet<number>;
  readonly signal: AbortSignal;
}

const LABELS = { once: 'Allow once', chat: 'Allow for this chat', deny: 'Deny' } as const;
const LOOK_EVERY_MS = 20;

/** null: there is nothing to press. */
export async function inputOf(
  message: PlannedMessage,
  options: Looking,
  sent: readonly Sent[],
): Promise<Input | null> {
  const { act } = message;
  switch (act?.kind) {
    case 'stop':
      return { text: act.text ? `/stop ${promptOf(message)}` : '/stop' };
    case 'btw':
      return { text: `/btw ${promptOf(message)}` };
    case 'undo':
      return { text: act.turns === 1 ? '/undo' : `/undo ${act.turns}` };
    case 'forget':
      return { text: '/forget yes' };
    case 'wake':
      return null;
    case 'redo':
    case 'new':
      return { text: `/${act.kind}` };
    case 'press':
      return await pressOf(message, act, options, sent);
    default:
      return { text: promptOf(message) };
  }
}

async function pressOf(
  { chat, channel }: PlannedMessage,
  { of, decision, stranger }: Extract<PlannedMessage['act'], { kind: 'press' }>,
  { bot, turns, moved, signal }: Looking,
  sent: readonly Sent[],
): Promise<Input | null> {
  const asking = sent.find(({ message }) => message.number === of);
  if (!asking) return null;
  const person = Math.abs(telegramChatId(chat));
  const chatId = moved.has(chat) ? movedChatId(chat) : telegramChatId(chat);
  while (!signal.aborted) {
    const turn = await turns.getTurn(DEFAULT_TENANT, asking.turnId).catch(() => null);
    const [question] = turn?.reply?.asked ?? [];
    if (turn && isCommitted(turn) && !question) return null;
    if (question) {
      const press = { messageId: 0, label: LABELS[decision], from: 0, question: question.id, decision };
      if (channel === 'http') return press;
      const shown = bot
        .chat(chatId)
        .messages.find(({ text, buttons }) => text.includes(`Write ${fileOf(of)}`) && buttons.length > 0);
      const [row] = shown?.buttons ?? [];
      // Decided, it has one button left that says so.
      const isLeft = shown?.buttons.flat().some(({ text }) => text.includes(press.label));
      const label = isLeft ? press.label : row?.[0]?.text;
      const from = stranger ? STRANGER : person;
      if (shown && label !== undefined) return { ...press, messageId: shown.id, label, from };
      if (turn?.status !== 'committed' && turn !== null && shown === undefined) return null;
    }
    await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
  }
  return null;
}

/** May use the bot, but wrote nothing in this group. */
export const STRANGER = 999_001;
