// The contract of every `SessionStore`. Run it with `create` making a fresh store over an empty place (or a place
// shared by tests: conversations are unique, tenants are those given by the fixture) and a clock the test may move.
import { describe } from 'vitest';
import { cases } from './contract.ts';
import { attachmentCases } from './session-store-attachments.ts';
import { commitCases } from './session-store-commit.ts';
import { consentCases } from './session-store-consent.ts';
import { errorCases } from './session-store-errors.ts';
import { expiryCases } from './session-store-expiry.ts';
import { fenceCases } from './session-store-fence.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { gatherCases } from './session-store-gather.ts';
import { isolationCases } from './session-store-isolation.ts';
import { leaseCases } from './session-store-lease.ts';
import { linkCases } from './session-store-links.ts';
import { listCases } from './session-store-lists.ts';
import { moveCases } from './session-store-move.ts';
import { timelineCases } from './session-store-timeline.ts';
import { upkeepCases } from './session-store-upkeep.ts';

export type { PlatformError, SessionStoreContract, SessionStoreFixture } from './session-store-fixture.ts';

export function sessionStoreContract(contract: SessionStoreContract): void {
  describe(`session store: ${contract.name}`, () => {
    const { it, finish } = cases(contract.skip);
    leaseCases(contract, it);
    fenceCases(contract, it);
    commitCases(contract, it);
    consentCases(contract, it);
    expiryCases(contract, it);
    listCases(contract, it);
    isolationCases(contract, it);
    attachmentCases(contract, it);
    gatherCases(contract, it);
    linkCases(contract, it);
    moveCases(contract, it);
    timelineCases(contract, it);
    upkeepCases(contract, it);
    errorCases(contract, it);
    finish();
  });
}
