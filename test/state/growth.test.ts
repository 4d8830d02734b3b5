// A long life in one session: what a turn uploads and what a restore reads do not grow with the number of turns.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { MAX_PACKS } from '../../src/state/record.ts';
import { freshDirectory, seeded, snapshot, testSession } from './fixture.ts';

const TURNS = 1_000;
const words = 'the agent read a file then wrote another one and told the user what it had done there'.split(
  ' ',
);

/** About 4 KB of transcript: words, ids and numbers, as compressible as the real thing. */
function transcriptLines(random: () => number): string {
  let out = '';
  while (out.length < 4_000) {
    const id = Math.floor(random() * 2 ** 48).toString(16);
    const text = Array.from({ length: 40 }, () => words[Math.floor(random() * words.length)]).join(' ');
    out += `${JSON.stringify({ type: 'assistant', uuid: id, at: random(), message: { content: text } })}\n`;
  }
  return out;
}

test(`${promise('DELTA')} 1,000 turns: bytes written by a turn and objects read by a restore do not grow`, async () => {
  const session = testSession();
  const directory = freshDirectory();
  const random = seeded(42);
  const transcript = join(directory.config, 'projects', 'p', 'session.jsonl');
  mkdirSync(join(directory.config, 'projects', 'p'), { recursive: true });
  const written: number[] = [];
  let baseline: unknown = null;
  let largestState = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    appendFileSync(transcript, transcriptLines(random));
    writeFileSync(join(directory.workspace, `file-${turn % 20}`), `turn ${turn} ${random()}`);
    const result = await session.commit(directory, baseline);
    baseline = result.baseline;
    written.push(result.bytesWritten);
    largestState = Math.max(largestState, JSON.stringify(result.state).length);
    if (result.compactionDue) await session.compact();
    if (turn % 100 !== 99) continue;
    const reads = session.objects.reads.length;
    const restored = await session.restore();
    const opened = session.objects.reads.slice(reads);
    expect(opened.length).toBeLessThanOrEqual(MAX_PACKS);
    expect(new Set(opened).size).toBe(opened.length);
    expect(snapshot(restored.directory)).toEqual(snapshot(directory));
  }
  const mean = (list: readonly number[]) => list.reduce((sum, bytes) => sum + bytes, 0) / list.length;
  const early = mean(written.slice(10, 110));
  const late = mean(written.slice(900));
  expect(late).toBeLessThan(early * 1.5);
  expect(Math.max(...written.slice(900))).toBeLessThan(Math.max(...written.slice(10, 110)) * 1.5);
  // Compaction included, a byte is rewritten a bounded number of times.
  const all = session.objects.puts.reduce((sum, put) => sum + put.bytes, 0);
  const byTurns = written.reduce((sum, bytes) => sum + bytes, 0);
  expect(all / byTurns).toBeLessThan(10);
  expect(largestState).toBeLessThan(4_096);
  console.info(
    `bytes per turn: turns 10-110 ${early | 0}, turns 900-1000 ${late | 0}; with compaction ${(all / TURNS) | 0}; largest head state ${largestState} B`,
  );
});
