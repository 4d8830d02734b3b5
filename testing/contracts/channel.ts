// The contract of every channel, on both sides of the queue: who is heard, what a message becomes, and that a reply stands
// in the chat once whatever happens to the calls that put it there. Run against a fake of the platform; where a platform
// cannot do something, its fixture lists the case with the reason.
import { describe } from 'vitest';
import { deliveryCases } from './channel-delivery.ts';
import { fileCases } from './channel-files.ts';
import type { ChannelContract } from './channel-fixture.ts';
import { inletCases } from './channel-inlet.ts';
import { progressCases } from './channel-progress.ts';
import { questionCases } from './channel-questions.ts';
import { cases } from './contract.ts';

export type { ChannelContract, ChannelFault, ChannelFixture, Documented, Post } from './channel-fixture.ts';

export function channelContract(contract: ChannelContract): void {
  describe(`channel: ${contract.name}`, () => {
    const { it, finish } = cases(contract.skip);
    inletCases(contract, it);
    deliveryCases(contract, it);
    progressCases(contract, it);
    questionCases(contract, it);
    fileCases(contract, it);
    finish();
  });
}
