// npm run attack [-- --mode sandboxed|bare|isolated|shared|all] [--only REGEX] [--sample] [--json] [--as-root]
// Tries what an attacker would, from inside real turns, on a warm system of this machine or an AWS
// installation out of stand-ins (docs/security.md). One line for
// each case; the exit code is 1 when anything that must fail succeeded, or could not be tried. Started by root it goes on as
// a user without rights.
import { spawn } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { AttackResult, Mode } from '../testing/attack/attack-case.ts';
import { secretEnvironment } from '../testing/attack/machine-world.ts';
import { runAttacks } from '../testing/attack/run-attacks.ts';

const { values } = parseArgs({
  options: {
    mode: { type: 'string', default: 'all' },
    only: { type: 'string' },
    /** What takes no long time: some of every kind. */
    sample: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    'as-root': { type: 'boolean', default: false },
    /** This program, started again with secrets in its environment and another user. */
    inner: { type: 'boolean', default: false },
  },
});
const MODES: readonly Mode[] = ['sandboxed', 'bare', 'isolated', 'shared'];
/** Of `nobody` on every Debian. */
const PLAIN_USER = 65_534;

if (values.inner) await attack();
else process.exitCode = await startAgain();

async function startAgain(): Promise<number> {
  const home = await mkdtemp(join(tmpdir(), 'hybrid-attacker-'));
  const isRoot = process.getuid?.() === 0 && !values['as-root'];
  if (isRoot) await chown(home, PLAIN_USER, PLAIN_USER);
  const child = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), '--inner', ...process.argv.slice(2)],
    {
      env: { PATH: process.env.PATH, HOME: home, TMPDIR: home, ...secretEnvironment() },
      stdio: 'inherit',
      ...(isRoot ? { uid: PLAIN_USER, gid: PLAIN_USER } : {}),
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const code = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? 1)));
  await rm(home, { recursive: true, force: true, maxRetries: 20 });
  return code;
}

async function attack(): Promise<void> {
  const modes = MODES.filter((mode) => values.mode === 'all' || values.mode === mode);
  if (modes.length === 0) throw new Error(`--mode is one of ${MODES.join(', ')}, all.`);
  const all: AttackResult[] = [];
  for (const mode of modes) {
    const only = values.only === undefined ? {} : { only: new RegExp(values.only) };
    all.push(
      ...(await runAttacks({ mode, secrets: process.env, sample: values.sample, ...only, onResult: print })),
    );
  }
  const count = (verdict: AttackResult['verdict']) => all.filter((one) => one.verdict === verdict).length;
  if (!values.json)
    console.log(
      `${all.length} tried: ${count('failed')} failed, ${count('SUCCEEDED')} SUCCEEDED, ${count('not promised')} not promised, ${count('NOT TRIED')} not tried`,
    );
  process.exit(count('SUCCEEDED') + count('NOT TRIED') > 0 ? 1 : 0);
}

function print(result: AttackResult): void {
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  const { mode, id, tries, verdict, detail } = result;
  const through =
    verdict === 'not promised' && result.through !== undefined
      ? `${result.through ? 'got through' : 'failed here'}; `
      : '';
  console.log(
    `${mode.padEnd(9)} ${id.padEnd(26)} ${verdict.padEnd(12)} tried to ${tries}${verdict === 'failed' ? '' : ` (${through}${detail})`}`,
  );
}
