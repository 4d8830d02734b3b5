// A host that stands still is told from one that a busy machine keeps from running.
import { expect, test } from 'vitest';
import { type Activity, watchSilence } from '../../src/host/silence.ts';
import { createManualClock } from '../../testing/clock.ts';

const SILENT_MS = 15_000;

/** What the system says of the process, by the seconds of the silence. */
type Story = (sec: number) => Activity | null;

function watched(story?: Story) {
  const clock = createManualClock();
  const startedAtMs = clock.now();
  let silentAtSec: number | null = null;
  const silence = watchSilence({
    silentMs: SILENT_MS,
    clock,
    activity: story && (async () => story((clock.now() - startedAtMs) / 1_000)),
    onSilent: () => {
      silentAtSec = (clock.now() - startedAtMs) / 1_000;
    },
  });
  return { clock, ...silence, silentAtSec: () => silentAtSec };
}

test.each<[string, Story | undefined, { from: number; to: number }]>([
  ['one that nothing is known of', undefined, { from: 15, to: 17 }],
  ['one that cannot be looked at', () => null, { from: 15, to: 17 }],
  ['a stopped one', () => ({ isHeldUp: false, cpuMs: 300 }), { from: 15, to: 17 }],
  ['one in an endless loop', (sec) => ({ isHeldUp: true, cpuMs: sec * 1_000 }), { from: 15, to: 17 }],
  [
    'one in an endless loop on a busy machine',
    (sec) => ({ isHeldUp: true, cpuMs: sec * 250 }),
    { from: 35, to: 40 },
  ],
  [
    'one that hardly gets the processor',
    (sec) => ({ isHeldUp: true, cpuMs: sec * 20 }),
    { from: 90, to: 92 },
  ],
])('%s is silent in time', async (_name, story, expected) => {
  const { clock, heard, silentAtSec } = watched(story);
  heard();
  for (let sec = 0; sec < 120 && silentAtSec() === null; sec++) await clock.advance(1_000);
  expect(silentAtSec()).toBeGreaterThanOrEqual(expected.from);
  expect(silentAtSec()).toBeLessThanOrEqual(expected.to);
});

test('one that says something now and then lives', async () => {
  const { clock, heard, silentAtSec } = watched();
  for (let sec = 0; sec < 120; sec += 10) {
    heard();
    await clock.advance(10_000);
  }
  expect(silentAtSec()).toBeNull();
});

test('before its first word nothing is counted, and after its end neither', async () => {
  const { clock, heard, end, silentAtSec } = watched();
  await clock.advance(60_000);
  heard();
  await clock.advance(10_000);
  end();
  await clock.advance(60_000);
  expect(silentAtSec()).toBeNull();
});

test('a worker that was paused itself holds it against no host', async () => {
  let nowMs = 0;
  const looks: (() => void)[] = [];
  let isSilent = false;
  const clock = { now: () => nowMs, sleep: () => new Promise<void>((resolve) => looks.push(resolve)) };
  const onSilent = () => {
    isSilent = true;
  };
  const { heard } = watchSilence({ silentMs: SILENT_MS, clock, onSilent });
  heard();
  nowMs += 3_600_000;
  looks.shift()?.();
  await expect.poll(() => looks.length).toBe(1);
  expect(isSilent).toBe(false);
});
