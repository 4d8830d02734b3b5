// Every attack of the table, tried by the program that people run (`npm run attack`): as a plain user, inside real turns, on
// a warm system. What must fail has failed, and each was really tried.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { detectSandbox } from '../../src/agent/sandbox.ts';
import { promise } from '../../src/core/promises.ts';
import type { AttackResult } from '../../testing/attack/attack-case.ts';
import { ATTACKS } from '../../testing/attack/run-attacks.ts';

const PROGRAM = join(import.meta.dirname, '../../scripts/attack.ts');
const hasSandbox = (await detectSandbox()).kind === 'bubblewrap';

async function attack(mode: 'sandboxed'): Promise<ReadonlyMap<string, AttackResult>> {
  const child = spawn(process.execPath, [PROGRAM, '--mode', mode, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  child.stdout.on('data', (piece) => {
    out += piece;
  });
  child.stderr.resume();
  await new Promise((done) => child.once('close', done));
  const lines = out.split('\n').filter((line) => line.startsWith('{'));
  return new Map(lines.map((line) => JSON.parse(line) as AttackResult).map((result) => [result.id, result]));
}

test('there are enough of them, each under a name of its own', () => {
  expect(ATTACKS.length).toBeGreaterThanOrEqual(80);
  expect(new Set(ATTACKS.map(({ id }) => id)).size).toBe(ATTACKS.length);
});

describe.skipIf(!hasSandbox)(`${promise('FORGET', 'NO-SECRETS', 'TENANT')} in the sandbox`, () => {
  let results: ReadonlyMap<string, AttackResult>;
  beforeAll(async () => {
    results = await attack('sandboxed');
  });
  test.each(ATTACKS)('$kind: nobody can $tries', ({ id }) => {
    expect(results.get(id)).toMatchObject({ verdict: 'failed' });
  });
  test.each(['harm-to-others', 'secrets-anywhere'])('afterwards: %s', (id) => {
    expect(results.get(id)).toMatchObject({ verdict: 'failed' });
  });
});
