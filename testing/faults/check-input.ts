// What the checks of a run look at: what was sent, what became of it, and everything that was stored or shown.
import type { TurnRecord } from '../../src/core/records.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';
import type { HistoryLine } from './injected-faults.ts';
import type { ModelCall } from './model.ts';
import type { OpenPorts } from './ports.ts';
import type { Sent } from './sent.ts';

export interface CheckInput {
  readonly sent: readonly Sent[];
  readonly ports: OpenPorts;
  readonly bot: FakeBot;
  readonly modelCalls: readonly ModelCall[];
  readonly history: readonly HistoryLine[];
  /** A folder to restore into. */
  readonly folder: string;
}

/** One message with what became of it. */
export interface Outcome {
  readonly sent: Sent;
  readonly number: number;
  readonly turn: TurnRecord | null;
  /** As it was meant to be; otherwise the reply is an honest failure, or says that it was stopped. */
  readonly answered: boolean;
  /** Cut off at a deadline and queued again behind what was written meanwhile. */
  readonly continued: boolean;
}
