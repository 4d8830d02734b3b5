// A hot turn leaves what a cold one leaves, on this machine.
import { describe } from 'vitest';
import { detectSandbox, type Sandbox } from '../../src/host/sandbox/index.ts';
import { hotEqualsCold } from './hot-equals-cold.ts';
import { createHotFixture } from './hot-fixture.ts';

const sandbox = await detectSandbox();
/** Without a namespace the two sessions would lie at different paths. */
const WALLED: Sandbox | null = sandbox.kind === 'bubblewrap' ? sandbox : null;

describe.skipIf(!WALLED)('on this machine', () => {
  hotEqualsCold((kind) => createHotFixture({ sandbox: WALLED!, ...(kind === 'cold' && { hot: null }) }), {
    seeds: [1, 2],
    turns: 8,
  });
});
