// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are shell commands.
// The shell wrapper by itself, with command lines of the form the CLI hands over.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layShellWrapper } from '../../src/agent/shell-state.ts';
import { promise } from '../../src/core/promises.ts';

const MACHINE_PATH = '/usr/local/bin:/usr/bin:/bin';
let base: string;
let state: string;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hybrid-shell-'));
  state = join(base, 'state/environment.sh');
  await layShellWrapper(join(base, 'shell.sh'), state);
});
afterEach(() => rm(base, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** One command, as the CLI would run it on a machine with this PATH. */
async function shell(
  command: string,
  options: { path?: string; env?: Record<string, string> } = {},
): Promise<Ran> {
  const path = options.path ?? MACHINE_PATH;
  await writeFile(join(base, 'snapshot.sh'), `export PATH='${path}'\n`);
  const quoted = `'${command.replaceAll("'", "'\\''")}'`;
  const line = `source ${base}/snapshot.sh 2>/dev/null || true && true && eval ${quoted} < /dev/null && pwd -P >| ${base}/cwd`;
  return start([line], { PATH: path, HOME: base, ANTHROPIC_API_KEY: 'secret', ...options.env });
}

function start(args: string[], env: Record<string, string>): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(base, 'shell.sh'), args, { env, cwd: base });
    let out = '';
    let err = '';
    child.stdout.on('data', (data: Buffer) => {
      out += data;
    });
    child.stderr.on('data', (data: Buffer) => {
      err += data;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

test.each([
  ['plain', 'one'],
  ['spaces and quotes', `a "b" 'c' $HOME \`date\` \\n`],
  ['newlines', 'first\nsecond\n\nlast'],
  ['unicode', 'é 漢字 🎲'],
  ['looks like state', 'x\nexport EVIL=1'],
  ['empty', ''],
  ['long', 'x'.repeat(100_000)],
])(`${promise('WHOLE')} an exported value holds: %s`, async (_name, value) => {
  await writeFile(join(base, 'value'), value);
  expect(await shell('IFS= read -r -d "" V < value; export V')).toMatchObject({ out: '', err: '' });
  const { out } = await shell('printf %s "$V"; echo "|$EVIL"');
  expect(out).toBe(`${value}|\n`);
});

test('later commands change and unset what earlier ones exported', async () => {
  await shell('export A=1 B=2 C=3');
  await shell('A=4; unset B');
  expect((await shell('echo "$A,${B-gone},$C"')).out).toBe('4,gone,3\n');
  await shell('unset A C');
  expect((await shell('echo "${A-gone},${C-gone}"')).out).toBe('gone,gone\n');
});

test('what the machine gives can be unset for good, and comes back when set again', async () => {
  const env = { PAGER: 'less' };
  await shell('unset PAGER', { env });
  expect((await shell('echo ${PAGER-gone}', { env })).out).toBe('gone\n');
  await shell('export PAGER=less', { env });
  expect((await shell('echo $PAGER', { env })).out).toBe('less\n');
});

test('a changed PATH holds, on top of the PATH that the next machine has', async () => {
  await shell('export PATH="/my tools:$PATH:/more"');
  const elsewhere = await shell('echo "$PATH"', { path: '/opt/node/bin:/usr/bin:/bin' });
  expect(elsewhere.out).toBe('/my tools:/opt/node/bin:/usr/bin:/bin:/more\n');
  await shell('export PATH=/only/this');
  expect((await shell('echo "$PATH"')).out).toBe('/only/this\n');
});

test('exit status, output and errors are the command’s own', async () => {
  expect(await shell('echo out; echo err >&2; exit 3')).toEqual({ code: 3, out: 'out\n', err: 'err\n' });
  expect((await shell('false')).code).toBe(1);
  expect((await shell('no-such-command')).code).toBe(127);
  expect((await shell('kill -TERM $$')).code).not.toBe(0);
});

test.each([
  'export K=kept; exit 3',
  'export K=kept; false',
  'set -e; export K=kept; false; echo no',
  'set -u; export K=kept; echo $NOPE',
  'export K=kept; set -o noclobber; set -x',
])('state is saved though the command ends like this: %s', async (command) => {
  await shell(command);
  expect((await shell('echo $K')).out).toBe('kept\n');
});

test('a killed command leaves what was saved before', async () => {
  await shell('export K=before');
  expect((await shell('export K=after; kill -9 $$')).code).toBe(null);
  expect((await shell('echo $K')).out).toBe('before\n');
});

test('credentials and the machine’s own variables are neither seen nor saved', async () => {
  expect((await shell('echo "[$ANTHROPIC_API_KEY]"')).out).toBe('[]\n');
  await shell(
    'export AWS_SECRET_ACCESS_KEY=secret CLAUDE_X=1 HOME=/elsewhere TMPDIR=/else LD_PRELOAD= MINE=1',
  );
  expect(await readFile(state, 'utf8')).toBe('export MINE=1\n');
});

test('a command that changes nothing writes nothing', async () => {
  await shell('export A=1');
  const before = await readFile(state, 'utf8');
  await shell('ls; B=2');
  expect(await readFile(state, 'utf8')).toBe(before);
  await shell('unset A');
  expect(await readFile(state, 'utf8')).toBe('');
});

test('a tool server under the wrapper neither reads nor writes the state', async () => {
  await shell('export A=1');
  const server = await start(['echo "[$A]"; export B=2'], { PATH: MACHINE_PATH });
  expect(server.out).toBe('[]\n');
  expect(await readFile(state, 'utf8')).toBe('export A=1\n');
});

test.each([
  ['its own EXIT trap', `trap 'echo bye $?' EXIT; export V=yes`, 'bye 0\n', 0],
  [
    'its own EXIT trap, set -e and a failure',
    `set -e; trap 'echo bye $?' EXIT; export V=yes; false`,
    'bye 1\n',
    1,
  ],
  ['its own EXIT trap and exit', `trap 'echo bye $?' EXIT INT; export V=yes; exit 7`, 'bye 7\n', 7],
  ['an EXIT trap that exits', `trap 'exit 9' EXIT; export V=yes; exit 7`, '', 9],
  ['an EXIT trap that exports', `trap 'export V=yes' EXIT; export V=no`, '', 0],
  ['an EXIT trap that is taken back', `trap 'echo bye' EXIT; trap - EXIT; export V=yes`, '', 0],
  ['a trap of a subshell', `export V=yes; (trap 'echo inner' EXIT); echo outer`, 'inner\nouter\n', 0],
  ['a trap by `builtin`', `export V=yes; builtin trap 'echo bye' EXIT`, 'bye\n', 0],
  ['listing its traps', `export V=yes; trap 'echo bye' EXIT; trap -p`, 'trap -- echo\\ bye EXIT\nbye\n', 0],
  ['a trap of another signal', `export V=yes; trap 'echo usr' USR1; kill -USR1 $$`, 'usr\n', 0],
  ['exec of another program', 'export V=yes; exec /bin/echo gone', 'gone\n', 0],
  ['exec in a function', 'f() { exec /bin/echo gone; }; export V=yes; f', 'gone\n', 0],
  ['exec of a redirection', 'exec 3>&1; export V=yes; echo three >&3', 'three\n', 0],
  // The CLI puts the command into an `&&` list, where `set -e` has no effect.
  ['set -e and a failure', 'export V=yes; set -eu; false; echo on', 'on\n', 0],
  ['set -x', 'export V=yes; exec 2>/dev/null; set -x; true', '', 0],
  ['noclobber', 'set -o noclobber; export V=yes', '', 0],
  [
    'functions in the place of builtins',
    'printf() { :; }; read() { return 1; }; compgen() { :; }; local() { :; }; export V=yes',
    '',
    0,
  ],
  [
    'functions in the place of unset, set, exit and test',
    'export V=yes; unset() { :; }; set() { :; }; exit() { :; }; [() { return 1; }; return() { :; }',
    '',
    0,
  ],
  ['a function in the place of builtin', 'export V=yes; builtin() { :; }', '', 0],
  ['POSIX mode', 'set -o posix; export V=yes', '', 0],
  ['an unquoted IFS', 'IFS=ye; export V=yes', '', 0],
])(`${promise('WHOLE')} exports hold after %s`, async (_name, command, out, code) => {
  expect(await shell(command)).toEqual({ out, err: '', code });
  expect((await shell('echo "[$V]"')).out).toBe('[yes]\n');
});

test('a trace that a command turns on shows nothing of the wrapper', async () => {
  const { err } = await shell('set -x; export V=1');
  expect(err).toContain('export V=1');
  expect(err).not.toContain('__hs_');
});
