// What `/healthz` tells of parts that are away.
import { expect, test } from 'vitest';
import { createOutages } from '../../src/local/outages.ts';
import { createManualClock } from '../../testing/clock.ts';

test('an outage is told since its first try, with its next one, until a turn is answered', async () => {
  const clock = createManualClock();
  const outages = createOutages(clock);
  expect(outages.list()).toEqual([]);
  const sinceMs = clock.now();
  outages.waits({ waitingFor: 'model', nextTryAtMs: sinceMs + 15_000 });
  await clock.advance(15_000);
  outages.waits({ waitingFor: 'model', nextTryAtMs: sinceMs + 45_000 });
  expect(outages.list()).toEqual([{ waitingFor: 'model', sinceMs, nextTryAtMs: sinceMs + 45_000 }]);
  outages.clear();
  expect(outages.list()).toEqual([]);
});
