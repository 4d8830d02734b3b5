// A live CLI serves its session's next turn only where that is the same as starting from nothing. Each way to be wrong: the
// CLI is gone before anything else begins, and the turn starts anew from the head.
import { afterEach, describe, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { detectSandbox, type Sandbox } from '../../src/host/sandbox/index.ts';
import { bash } from '../agent/turn-fixture.ts';
import { createHotFixture, type HotFixture } from './hot-fixture.ts';

const sandbox = await detectSandbox();
const KINDS: readonly Sandbox[] = [
  ...(sandbox.kind === 'bubblewrap' ? [sandbox] : []),
  { kind: 'none', reason: 'left out by the test', accepted: true },
];

describe.each(KINDS)('a live CLI, sandbox: $kind', (wall) => {
  let fixture: HotFixture;
  afterEach(() => fixture.close());

  test(`${promise('WHOLE')} serves the next turns, which find everything`, async () => {
    fixture = await createHotFixture({ sandbox: wall });
    const { turn } = fixture.session();
    await turn('hello');
    const began = performance.now();
    expect((await turn(bash('export WORD=kept; echo text > file; pwd'))).status).toBe('ok');
    expect((await turn(bash('cat file; echo $WORD'))).text).toBe('text\nkept');
    expect((await turn('what was said?')).text).toMatch(/seen \d+/);
    console.log('three turns', performance.now() - began);
    expect(fixture.told).toEqual(['cold first', 'hot', 'hot', 'hot']);
  });
});
