// The attacks of the table, tried by the program that people run (`npm run attack`): as a plain user, inside real turns, on
// a warm system. What must fail has failed, and each was really tried. A part without `npm run test:all`: some of every kind.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { detectSandbox } from '../../src/host/sandbox/index.ts';
import type { AttackResult, Mode } from '../../testing/attack/attack-case.ts';
import { ATTACKS, SAMPLE } from '../../testing/attack/run-attacks.ts';
import { THOROUGH } from '../thorough.ts';

const PROGRAM = join(import.meta.dirname, '../../scripts/attack.ts');
const hasSandbox = (await detectSandbox()).kind === 'bubblewrap';

async function attack(mode: Mode): Promise<ReadonlyMap<string, AttackResult>> {
  const args = ['--mode', mode, '--json', ...(THOROUGH ? [] : ['--sample'])];
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (piece) => {
    out += piece;
  });
  child.stderr.resume();
  await new Promise((done) => child.once('close', done));
  const lines = out.split('\n').filter((line) => line.startsWith('{'));
  return new Map(lines.map((line) => JSON.parse(line) as AttackResult).map((result) => [result.id, result]));
}

test('there are enough of them, each under a name of its own, and a part of them has every kind', () => {
  expect(new Set(ATTACKS.map(({ id }) => id)).size).toBe(ATTACKS.length);
  expect(SAMPLE.length).toBeGreaterThanOrEqual(80);
  const kinds = (cases: typeof ATTACKS) => [...new Set(cases.map(({ kind }) => kind))];
  expect(kinds(SAMPLE)).toEqual(kinds(ATTACKS));
});

describe.skipIf(!hasSandbox)(`${promise('FORGET', 'NO-SECRETS', 'TENANT')} in the sandbox`, () => {
  let results: ReadonlyMap<string, AttackResult>;
  beforeAll(async () => {
    results = await attack('sandboxed');
  });
  test.each(THOROUGH ? ATTACKS : SAMPLE)('$kind: nobody can $tries', ({ id }) => {
    expect(results.get(id)).toMatchObject({ verdict: 'failed' });
  });
  test.each(['harm-to-others', 'secrets-anywhere'])('afterwards: %s', (id) => {
    expect(results.get(id)).toMatchObject({ verdict: 'failed' });
  });
});

describe.skipIf(!hasSandbox)(`${promise('FORGET', 'NO-SECRETS')} on AWS, out of stand-ins`, () => {
  // Without `test:all` what is isolated only: strangers share it.
  test.each<Mode>(THOROUGH ? ['isolated', 'shared'] : ['isolated'])(
    'nobody can, with agents %s',
    async (mode) => {
      const results = [...(await attack(mode)).values()];
      const wrong = results.filter(({ verdict }) => verdict === 'SUCCEEDED' || verdict === 'NOT TRIED');
      expect(wrong).toEqual([]);
      const failed = results.filter(({ verdict }) => verdict === 'failed');
      expect(failed.length).toBeGreaterThanOrEqual(THOROUGH ? 80 : 60);
    },
  );
});
