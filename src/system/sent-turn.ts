// A message on its way, as a promise of its answer and as the stream of its events. It is sent at once; waiting for
// the answer begins when somebody asks for it.
import type { TurnId } from '../core/ids.ts';
import type { Answer, AnswerEvent, SentTurn } from './system.ts';

export interface SentTurnParts {
  readonly turnId: TurnId;
  /** Nothing is hung on it until somebody asks: when nobody does, its failure is an unhandled rejection. */
  readonly begun: Promise<unknown>;
  /** Every event from the first on, each time it is called; rejects when the end cannot be told. */
  watch(): AsyncGenerator<AnswerEvent, void, undefined>;
}

export function createSentTurn({ turnId, begun, watch }: SentTurnParts): SentTurn {
  let answer: Promise<Answer> | undefined;
  const wait = () => (answer ??= answerOf(watch()));
  return {
    turnId,
    get accepted() {
      return begun.then(() => {});
    },
    // biome-ignore lint/suspicious/noThenProperty: it is a promise.
    then: (onAnswer, onError) => wait().then(onAnswer, onError),
    catch: (onError) => wait().catch(onError),
    finally: (onEnd) => wait().finally(onEnd),
    [Symbol.toStringTag]: 'SentTurn',
    [Symbol.asyncIterator]: watch,
  };
}

async function answerOf(events: AsyncIterable<AnswerEvent>): Promise<Answer> {
  for await (const event of events) if (event.type === 'final') return event.answer;
  throw new Error('A turn ended without its last event.');
}
