// The contract of every `TurnQueue`: FIFO per conversation, one in flight each, at least once, nothing lost.
// Times are whole seconds, because some servers count in seconds.
import { describe } from 'vitest';
import { cases } from './contract.ts';
import { deadLetterCases } from './turn-queue-dead-letters.ts';
import type { TurnQueueContract } from './turn-queue-fixture.ts';
import { orderCases } from './turn-queue-order.ts';
import { receiptCases } from './turn-queue-receipts.ts';
import { waitingCases } from './turn-queue-waiting.ts';

export type { TurnQueueContract, TurnQueueFixture } from './turn-queue-fixture.ts';

export function turnQueueContract(contract: TurnQueueContract): void {
  describe(`turn queue: ${contract.name}`, () => {
    const { it, finish } = cases(contract.skip);
    orderCases(contract, it);
    receiptCases(contract, it);
    deadLetterCases(contract, it);
    waitingCases(contract, it);
    finish();
  });
}
