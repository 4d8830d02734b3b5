import { expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { atOneMoment } from '../../src/host/one-moment.ts';
import { createManualClock } from '../../testing/clock.ts';

function setUp(pause?: () => Promise<{ resume(): void } | null>) {
  const steps: string[] = [];
  const clock = createManualClock();
  const paused = async () => {
    steps.push('paused');
    return { resume: () => void steps.push('resumed') };
  };
  return { steps, clock, deps: { pause: pause ?? paused, session: 's', clock, log: () => {} } };
}

test(`${promise('MOMENT')} processes stand still while files are read, and go on before the upload`, async () => {
  const { steps, deps } = setUp();
  const result = await atOneMoment(deps, async (onRead) => {
    steps.push('read');
    onRead();
    steps.push('uploaded');
    return 7;
  });
  expect(result).toBe(7);
  expect(steps.slice(0, 4)).toEqual(['paused', 'read', 'resumed', 'uploaded']);
});

test('a checkpoint that fails lets the processes go on', async () => {
  const { steps, deps } = setUp();
  await expect(
    atOneMoment(deps, async () => {
      throw new Error('disk');
    }),
  ).rejects.toThrow('disk');
  expect(steps).toEqual(['paused', 'resumed']);
});

test('reading that takes longer than a pause may last ends the pause, and the checkpoint', async () => {
  const { steps, clock, deps } = setUp();
  const reading = Promise.withResolvers<void>();
  const saving = atOneMoment(deps, async (onRead) => {
    await reading.promise;
    onRead();
    steps.push('uploaded');
  });
  const refused = expect(saving).rejects.toMatchObject({ code: 'pause-too-long' });
  await clock.advance(6_000);
  expect(steps).toEqual(['paused', 'resumed']);
  reading.resolve();
  await refused;
  expect(steps).not.toContain('uploaded');
});

test.each([
  ['cannot be paused now', async () => null],
  ['can never be paused', undefined],
])(`${promise('MOMENT')} there is no checkpoint where processes %s`, async (_name, pause) => {
  const { deps } = setUp(pause);
  let taken = false;
  const saving = atOneMoment({ ...deps, pause }, async () => {
    taken = true;
  });
  await expect(saving).rejects.toMatchObject({ code: 'not-paused' });
  expect(taken).toBe(false);
});
