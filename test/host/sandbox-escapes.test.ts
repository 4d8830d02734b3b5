// Ways out of the sandbox, each tried from inside by a shell, as root and as a plain user. A script prints BROKE where it
// got through. So that none of them fails for a wrong reason, those marked `bare` are tried without a wall, too, and must
// get through there.
import { beforeAll, describe, expect, test } from 'vitest';
import { CANARY, type Ran, runInside, USERS } from './run-inside.ts';

interface Attempt {
  readonly name: string;
  readonly script: string;
  /** Gets through where there is no wall, and does no harm there. */
  readonly bare?: boolean;
}

/** Perl is on every Debian; it makes system calls that no command makes. */
const call = (x64: number, arm64: number, ...args: (number | string)[]) =>
  `perl -e 'my $n = \`uname -m\` =~ /aarch64/ ? ${arm64} : ${x64}; exit(syscall($n, ${args.join(', ')}) == -1)'`;
const socket = (family: number, type: number) =>
  `perl -e 'socket(my $s, ${family}, ${type}, 0) or exit 1' && echo BROKE socket ${family}`;
const connect = (host: string) =>
  `timeout 3 bash -c 'exec 9<> "/dev/tcp/$1/$2" && cat <&9' bash ${host} "$PORT" 2> /dev/null`;

const ATTEMPTS: readonly Attempt[] = [
  ...['config', 'workspace', 'home', 'tmp'].flatMap((name): Attempt[] => [
    {
      name: `a link in the place of ${name}`,
      script: `cd "$ROOT" && mv ${name} gone && ln -s "$OUTSIDE" ${name} && echo BROKE`,
      bare: true,
    },
    {
      name: `${name} removed and made anew as a link`,
      script: `cd / && rmdir "$ROOT/${name}" && ln -s "$OUTSIDE" "$ROOT/${name}" && echo BROKE`,
      bare: true,
    },
  ]),
  { name: 'a new name beside the folders', script: 'touch "$ROOT/planted" && echo BROKE', bare: true },
  { name: 'a file outside', script: 'cat "$OUTSIDE/secret.txt" && echo BROKE', bare: true },
  {
    name: 'a file outside by a link',
    script: 'ln -s "$OUTSIDE/secret.txt" x && cat x && echo BROKE',
    bare: true,
  },
  { name: 'a hard link to a file outside', script: 'ln "$OUTSIDE/secret.txt" x && echo BROKE', bare: true },
  { name: 'an incoming file, written', script: '( echo x > "$INCOMING" ) && echo BROKE', bare: true },
  ...['echo x > code', ': > more', 'rm code', 'cd .. && mkdir named-0'].map((change) => ({
    name: `compiled code of ours: ${change}`,
    script: `cd "$ROOT/named-$(id -u)" && ( ${change} ) 2> /dev/null && echo BROKE`,
  })),
  {
    name: "the worker's environment",
    script: 'tr "\\\\0" "\\\\n" < /proc/$WORKER/environ | grep . && echo BROKE',
    bare: true,
  },
  {
    name: "the worker's root",
    script: 'cat "/proc/$WORKER/root$OUTSIDE/secret.txt" && echo BROKE',
    bare: true,
  },
  { name: 'the root of the first process', script: 'cat "/proc/1/root$OUTSIDE/secret.txt" && echo BROKE' },
  { name: 'other processes', script: 'kill -0 "$WORKER" && echo BROKE', bare: true },
  {
    name: 'more processes than its own',
    script: 'n=$(ls /proc | grep -c "^[0-9]"); [ "$n" -gt 8 ] && echo BROKE $n',
    bare: true,
  },
  { name: 'a descriptor that was left open', script: 'cat <&200 | grep . && echo BROKE', bare: true },
  {
    name: 'descriptors of ours',
    script:
      'for fd in /proc/$$/fd/*; do case $fd in */0 | */1 | */2) ;; *) [ ! -e "$fd" ] || [ "$fd" -ef /dev/null ] || echo "BROKE $fd" ;; esac; done',
  },
  { name: 'a variable of the worker', script: 'env | grep WORKERS_OWN && echo BROKE' },
  { name: 'a port of this machine', script: `${connect('127.0.0.1')} && echo BROKE`, bare: true },
  {
    name: 'a port of this machine, by its name',
    script: `${connect('localhost')} && echo BROKE`,
    bare: true,
  },
  {
    name: 'a port of this machine, elsewhere on loopback',
    script: `${connect('127.1.2.3')} && echo BROKE`,
    bare: true,
  },
  {
    name: 'a port of this machine, by its other addresses',
    script: `for address in $ADDRESSES; do ${connect('$address')} && echo BROKE $address; done`,
    bare: true,
  },
  {
    name: 'an abstract socket',
    script: `perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; connect($s, pack_sockaddr_un("\\0$ENV{ABSTRACT}")) or exit 1; print <$s>' && echo BROKE`,
    bare: true,
  },
  {
    name: 'any interface but loopback',
    script: 'grep -v -E "lo:|Inter|face" /proc/net/dev && echo BROKE',
  },
  {
    name: 'kernel parameters',
    script:
      'for f in $(find /proc/sys /proc/sysrq-trigger /proc/irq /proc/bus /proc/fs -type f 2> /dev/null); do [ -w "$f" ] && echo BROKE $f; done',
  },
  {
    name: 'cgroups and devices of the machine',
    script:
      'for f in /sys/fs /sys/kernel /dev/mem /dev/kmsg /dev/fuse /dev/kvm /dev/vsock; do [ -e $f ] && echo BROKE $f; done',
  },
  {
    name: 'files of the system, written',
    script:
      'for d in / /usr /usr/bin /bin /lib /etc /etc/ssl /etc/ssl/private /run /run/hybrid-sessions /dev /proc /nix /var /root /home "$ROOT"; do [ -d $d ] && [ "$d" != /tmp ] && touch "$d/planted-by-a-test" && echo BROKE $d; done',
  },
  {
    name: 'passwords, keys and names of the machine',
    script: 'cat /etc/shadow /etc/machine-id /etc/hostname /etc/ssh/* && echo BROKE',
  },
  { name: 'the name of the machine', script: '[ "$(uname -n)" = agent ] || echo BROKE', bare: true },
  { name: 'a mount', script: 'mount -t tmpfs none "$HOME" && echo BROKE' },
  {
    name: 'a mount taken away',
    script: 'umount /proc/sys && echo BROKE; umount "$ROOT/config" && echo BROKE',
  },
  {
    name: 'a mount made writable',
    script: 'mount -o remount,rw,bind /usr && echo BROKE; mount -o remount,rw / && echo BROKE',
  },
  {
    name: 'another /proc',
    script: 'unshare --user --map-root-user --pid --fork --mount-proc true && echo BROKE',
    bare: true,
  },
  { name: 'a user namespace', script: 'unshare --user --map-root-user true && echo BROKE', bare: true },
  { name: 'a user namespace by clone', script: `${call(56, 220, 0x10000011, 0, 0, 0, 0)} && echo BROKE` },
  { name: 'a network namespace', script: 'unshare --net true && echo BROKE' },
  { name: 'a namespace of another', script: 'nsenter --target 1 --mount --net true && echo BROKE' },
  {
    name: 'another user',
    script: `perl -e '$> = 0; exit($> != 0)' && echo BROKE; perl -e '$< = 0; $> = 0; exit($< != 0)' && echo BROKE`,
  },
  {
    name: 'programs that change the user',
    script: 'sudo -n true && echo BROKE; timeout 2 su -c true < /dev/null && echo BROKE',
  },
  { name: 'files given away', script: 'touch x; chown 0:0 x && [ "$(stat -c %u x)" = 0 ] && echo BROKE' },
  { name: 'a device', script: 'mknod d b 8 0 && echo BROKE; mknod c c 1 1 && echo BROKE' },
  { name: 'tracing the worker', script: `${call(101, 117, 16, '$ENV{WORKER}+0', 0, 0)} && echo BROKE` },
  {
    name: 'keyrings',
    script: `${call(250, 219, 0, -3, 0)} && echo BROKE; ${call(250, 219, 0, -4, 0)} && echo BROKE`,
  },
  { name: 'sockets of the virtual machine', script: socket(40, 1) },
  { name: 'raw packets', script: `${socket(17, 3)}; ${socket(2, 3)}` },
  { name: 'cryptography of the kernel', script: socket(38, 5) },
  {
    name: 'io_uring',
    script: `perl -e 'my $p = "\\0" x 120; exit(syscall(425, 1, $p) == -1)' && echo BROKE`,
  },
  {
    name: 'rights kept',
    script: 'grep -E "^Cap(Inh|Prm|Eff|Bnd|Amb):" /proc/self/status | grep -v 0000000000000000 && echo BROKE',
  },
  {
    name: 'rights to be gained',
    script: 'grep -E "^NoNewPrivs:.*0" /proc/self/status && echo BROKE',
  },
  { name: 'the filter', script: 'grep -E "^Seccomp:.*[01]$" /proc/self/status && echo BROKE' },
  {
    name: 'a child that stays',
    script: '( while :; do date +%N > alive; sleep 0.02; done ) > /dev/null 2>&1 & sleep 0.2',
  },
  {
    name: 'a daemon: new session, twice forked, no environment, no descriptors',
    script: `setsid bash -c '(env -i /bin/bash -c "while :; do date +%N > $0/alive; sleep 0.02; done" < /dev/null > /dev/null 2>&1 &)' "$PWD" & sleep 0.3; [ -s alive ] || echo "it did not start"`,
  },
  { name: 'everything killed', script: 'kill -9 -1' },
];

const BARE = ATTEMPTS.filter(({ bare }) => bare);

describe.each(USERS)('started by $name', ({ uid }) => {
  let ran: ReadonlyMap<string, Ran>;
  beforeAll(async () => {
    const { results } = await runInside({ uid, scripts: ATTEMPTS.map(({ script }) => script) });
    ran = new Map(ATTEMPTS.map(({ name }, index) => [name, results[index]!]));
  });

  test.each(ATTEMPTS)('$name', ({ name }) => {
    const { out, err, end, folders, secret, survived } = ran.get(name)!;
    expect({ out, err }).toEqual({ out: expect.not.stringContaining('BROKE'), err: expect.any(String) });
    expect(out + err).not.toContain(CANARY);
    expect(out).not.toContain('it did not start');
    expect(end.failure).toBeUndefined();
    expect(folders).toEqual(['folder', 'folder', 'folder', 'folder']);
    expect(secret).toBe(CANARY);
    expect(survived).toBe(false);
  });
});

describe('without a wall', () => {
  let ran: ReadonlyMap<string, Ran>;
  beforeAll(async () => {
    const { results } = await runInside({ wall: 'none', scripts: BARE.map(({ script }) => script) });
    ran = new Map(BARE.map(({ name }, index) => [name, results[index]!]));
  });

  test.each(BARE)('$name gets through', ({ name }) => {
    expect(ran.get(name)!.out).toContain('BROKE');
  });
});
