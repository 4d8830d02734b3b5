// Secrets in other processes, processes that outlive their turn, the kernel's doors, the line between host and worker,
// and more than a session's share of the machine.
import type { TurnCase } from './attack-case.ts';

const OPEN = "without a sandbox the agent shares the server's user";
const call = (x64: number, arm64: number, ...args: (number | string)[]) =>
  `perl -e 'my $n = \`uname -m\` =~ /aarch64/ ? ${arm64} : ${x64}; exit(syscall($n, ${args.join(', ')}) == -1)'`;

const SECRETS: readonly TurnCase[] = [
  {
    id: 'secret-own-environment',
    tries: 'find a key in its own environment',
    script: 'env | cat; cat /proc/self/environ /proc/$PPID/environ; export -p | cat',
  },
  {
    id: 'secret-environments',
    tries: 'find a key in the environment of any process',
    script: 'cat /proc/[0-9]*/environ /proc/[0-9]*/task/*/environ | tr "\\0" "\\n" | grep -aE "$PATTERN"',
  },
  {
    id: 'secret-command-lines',
    tries: 'find a key in the command line of any process',
    script: 'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n" | grep -aE "$PATTERN"',
  },
  {
    id: 'secret-descriptors',
    tries: 'read through the open files of any process',
    script:
      'for f in /proc/[0-9]*/fd/*; do [ -f "$f" ] && timeout 1 head -c 1000000 "$f" | grep -aohE "$PATTERN"; done | sort -u; for n in $(seq 3 60); do timeout 0.2 cat <&$n | grep -aoE "$PATTERN"; done',
  },
  {
    id: 'secret-memory',
    long: true,
    tries: 'search the memory of every process that it can open, the host included',
    alone: true,
    script: `cat > look.pl <<'PERL'
my $end = time + 12;
for my $dir (glob '/proc/[0-9]*') {
  my ($pid) = $dir =~ /(\\d+)$/; next if $pid == $$;
  open(my $maps, '<', "$dir/maps") and open(my $mem, '<:raw', "$dir/mem") or next;
  while (<$maps>) { my ($a, $b) = /^([0-9a-f]+)-([0-9a-f]+) rw/ or next; ($a, $b) = (hex $a, hex $b); next if $b - $a > 64e6 || time > $end;
    sysseek($mem, $a, 0); sysread($mem, my $data, $b - $a); my $p = $ENV{PATTERN}; print "$1\\n" while $data =~ /($p)/g; }
}
PERL
timeout 20 perl look.pl | sort -u | head`,
  },
  {
    id: 'secret-ptrace',
    tries: "attach to the service's processes as a debugger",
    script: `for p in $SERVER $WORKERS; do export P=$p; ${call(101, 117, 16, '$ENV{P}+0', 0, 0)} && echo BROKE; done`,
    harmful: true,
  },
  {
    id: 'secret-read-memory',
    tries: "read the service's memory by a system call, and take its descriptors",
    script: `for p in $SERVER $WORKERS; do perl -e 'my $fd = syscall(434, $ARGV[0] + 0, 0); exit 1 if $fd == -1; exit(syscall(438, $fd, 4, 0) == -1)' $p && echo BROKE; done; for p in $SERVER $WORKERS; do head -c 1 /proc/$p/maps | grep -q . && echo BROKE; done`,
  },
  {
    id: 'secret-sockets-of-helpers',
    tries: 'use sockets of helpers: Docker, D-Bus, SSH agent, a service in the home folder',
    script:
      'for s in /var/run/docker.sock /run/dbus/system_bus_socket "$SSH_AUTH_SOCK" "$UNIX_SOCKET"; do [ -S "$s" ] && echo "BROKE $s"; done; curl -s -m 3 --unix-socket "$UNIX_SOCKET" http://x/',
  },
];

const LEAVE = 'exec -a "$LEFT" sleep 60';
const PROCESSES: readonly TurnCase[] = [
  {
    id: 'left-background',
    tries: 'leave a process behind in the background',
    script: `(${LEAVE}) > /dev/null 2>&1 & disown`,
  },
  {
    id: 'left-daemon',
    tries: 'leave a daemon behind: new session, twice forked, empty environment',
    script: `setsid env -i LEFT="$LEFT" perl -e 'fork && exit; fork && exit; exec "bash", "-c", q(${LEAVE})' < /dev/null > /dev/null 2>&1`,
  },
  {
    id: 'left-deaf',
    tries: 'leave one behind that ignores every signal that can be ignored',
    script: `(trap "" TERM INT HUP QUIT; setsid bash -c 'trap "" TERM INT HUP QUIT; exec -a "$LEFT" sleep 60' &) < /dev/null > /dev/null 2>&1`,
  },
  {
    id: 'left-restless',
    tries: 'leave one behind that begins anew all the time',
    script: `setsid perl -e 'my $end = time + 60; while (time < $end) { fork && exit; select undef, undef, undef, 0.01; $0 = $ENV{LEFT} }' < /dev/null > /dev/null 2>&1 &`,
  },
  {
    id: 'left-stopped',
    tries: 'leave one behind that is stopped and wakes later',
    script: `(setsid bash -c 'exec -a "$LEFT" perl -e "kill STOP => \\$\\$; sleep 60"' &) < /dev/null > /dev/null 2>&1; sleep 0.2`,
  },
  {
    id: 'left-schedule',
    tries: 'have the machine start something later: cron, at, systemd, login scripts',
    script:
      'echo "* * * * * true" | crontab - && echo BROKE; echo true | at now + 1 minute && echo BROKE; systemd-run --user true && echo BROKE; touch /etc/cron.d/x /etc/profile.d/x.sh /var/spool/cron/x && echo BROKE',
    harmful: true,
  },
  {
    id: 'kill-service',
    tries: "end the service's own processes",
    script: 'for p in $SERVER $WORKERS; do kill -9 $p && echo BROKE; done',
    harmful: true,
  },
  {
    id: 'kill-all',
    tries: 'end every process that it may signal',
    script: 'kill -9 -1',
    alone: true,
    mayDie: true,
    harmful: true,
  },
  {
    id: 'stop-all',
    long: true,
    tries: 'stop every process of its host for a while',
    script: `perl -e 'kill STOP => -1; select undef, undef, undef, 3; kill CONT => -1'`,
    alone: true,
    mayDie: true,
    harmful: true,
  },
];

const KERNEL: readonly TurnCase[] = [
  {
    id: 'kernel-settings',
    tries: 'change kernel settings, one of which runs programs as root outside',
    script:
      'for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/sys/net/ipv4/ip_forward; do [ -w $f ] && echo "BROKE $f"; done',
  },
  {
    id: 'kernel-user-namespace',
    tries: 'become root in a user namespace of its own',
    script: 'unshare --user --map-root-user true && echo BROKE',
  },
  {
    id: 'kernel-mount',
    tries: 'mount, unmount, or make a read-only mount writable',
    script:
      'mount -t tmpfs none "$HOME" && echo BROKE; umount /proc/sys && echo BROKE; mount -o remount,rw,bind /usr && echo BROKE; umount "$CLAUDE_CONFIG_DIR" && echo BROKE',
  },
  {
    id: 'kernel-join',
    tries: 'enter the namespaces of another process',
    script:
      'nsenter --target 1 --all true && echo BROKE; nsenter --target $SERVER --mount true && echo BROKE',
  },
  {
    id: 'kernel-setuid',
    tries: 'gain rights by programs that change the user, or by one that it makes',
    script: `sudo -n true && echo BROKE; perl -e '$> = 0; exit($> != 0)' && echo BROKE; cp /bin/bash ./b; chmod 6755 b; chown 0:0 b && [ "$(stat -c %u b)" = 0 ] && echo BROKE; [ "$(./b -p -c 'id -u')" = 0 ] && [ "$(id -u)" != 0 ] && echo BROKE; rm b`,
    afterwards: '[ -u b ] && echo BROKE',
  },
  {
    id: 'kernel-rights',
    tries: 'find rights that were left to it',
    script:
      'grep -E "^Cap(Inh|Prm|Eff|Bnd|Amb):" /proc/self/status | grep -v 0000000000000000 && echo BROKE; grep -E "^NoNewPrivs:.*0" /proc/self/status && echo BROKE',
  },
  {
    id: 'kernel-devices',
    tries: 'make or open devices of the machine',
    script:
      'mknod d b 8 0 && echo BROKE; for f in /dev/mem /dev/kmsg /dev/kvm /dev/fuse /dev/sda /dev/vda; do head -c 1 $f && echo "BROKE $f"; done',
  },
  {
    id: 'kernel-keyrings',
    tries: 'use keyrings, which belong to no namespace',
    script: `${call(250, 219, 0, -3, 0)} && echo BROKE; ${call(250, 219, 0, -4, 0)} && echo BROKE`,
  },
  {
    id: 'kernel-doors',
    tries: 'use doors that kernel exploits come through: io_uring, bpf, perf',
    script: `perl -e 'my $p = "\\0" x 120; exit(syscall(425, 1, $p) == -1)' && echo BROKE; perl -e 'my $p = "\\0" x 120; exit(syscall(321, 5, $p, 120) == -1)' && echo BROKE`,
  },
  {
    id: 'kernel-cgroup',
    tries: 'leave its cgroup or set a program that the kernel runs when one empties',
    script:
      'find /sys/fs/cgroup -writable 2> /dev/null | head -1 | grep . && echo BROKE; ls /sys/kernel/security && echo BROKE',
  },
];

/** Takes the descriptors of the host's program, which runs in the same sandbox with the same rights, and writes there. */
const frames = (lines: string) => `cat > line.pl <<'PERL'
for my $dir (glob '/proc/[0-9]*') {
  my ($pid) = $dir =~ /(\\d+)$/; open(my $c, '<', "$dir/cmdline") or next; local $/; my $cmd = <$c> // ''; next unless $cmd =~ /host-program/;
  for my $n (3, 4) {
    my $p = syscall(434, $pid + 0, 0); my $fd = syscall(438, $p, $n, 0); my $h;
    ($fd != -1 && open($h, '>>&=', $fd)) or open($h, '>>', "$dir/fd/$n") or next;
    syswrite($h, $_) for (${lines}); print "wrote to $n\\n";
  }
}
PERL
timeout 5 perl line.pl`;
const HOST: readonly TurnCase[] = [
  {
    id: 'host-saved',
    tries: "tell the worker in the host's name that something was saved, with files of others in it",
    script: frames(
      `'{"type":"pack","name":"../../../../x","bytes":4}' . "\\n", '{"type":"saved","stored":{"generation":99,"packs":[{"name":"../../default/x","bytes":1}]},"dead":[],"refused":[]}' . "\\n"`,
    ),
  },
  {
    id: 'host-garbage',
    long: true,
    tries: 'flood the worker with what is no message',
    script: frames(`"\\0\\xff" x 1000000, "{" x 9000000, "\\n"`),
  },
  {
    id: 'host-reply',
    tries: "end its own turn in the host's name while it goes on",
    script: `${frames(`'{"type":"ended","outcome":{"status":"ok","text":"forged","demo":false}}' . "\\n"`)}; (exec -a "$LEFT" sleep 60) > /dev/null 2>&1 & sleep 1`,
  },
  {
    id: 'host-need',
    long: true,
    tries: "ask the worker in the host's name for packs of other sessions",
    script: `${frames(`map { '{"type":"need","name":"' . $_ . '"}' . "\\n" } ('1-1.pack', '../1-1', '../../../../etc/passwd', "$ENV{TARGET}")`)}; sleep 1; grep -rasohE "$PATTERN" /run/hybrid-sessions`,
  },
];

const LIMITS: readonly TurnCase[] = [
  {
    id: 'limit-processes',
    alone: 'limits',
    tries: 'start more processes than its share (of 200)',
    script: `perl -e 'my @p; for (1..600) { my $p = fork; last if !defined $p; if (!$p) { close STDOUT; close STDERR; sleep 20; exit } push @p, $p } print "BROKE ", scalar @p, "\\n" if @p > 200; kill KILL => @p'`,
  },
  {
    id: 'limit-fork-bomb',
    long: true,
    tries: 'start a fork bomb',
    script: '(:(){ :|:& };:) 2> /dev/null; sleep 1',
    mayDie: true,
  },
  {
    id: 'limit-memory',
    tries: 'take more memory in one process than its share (2 GiB)',
    script: `perl -e 'my $x = "x" x 2500000000; print "BROKE\\n"'`,
    mayDie: true,
  },
  {
    id: 'limit-file',
    alone: 'limits',
    tries: 'write a file longer than allowed (64 MiB)',
    script: 'head -c 200000000 /dev/zero > big; [ $(stat -c %s big) -gt 67108864 ] && echo BROKE; rm -f big',
  },
  {
    id: 'limit-open-files',
    alone: 'limits',
    tries: 'hold more files open than its share (1,024)',
    script: `perl -e 'my @h; for (1..5000) { open(my $h, "<", "/dev/null") or last; push @h, $h } print "BROKE\\n" if @h > 1024'`,
  },
  {
    id: 'limit-temporary',
    alone: 'limits',
    tries: 'fill memory through /tmp and /dev/shm',
    script:
      'for i in 1 2 3; do head -c 60000000 /dev/zero > /dev/shm/f$i; done; [ $(du -sm /dev/shm | cut -f1) -gt 70 ] && echo BROKE; rm -f /dev/shm/f*',
  },
  {
    id: 'limit-config',
    long: true,
    tries: 'store without limit what lies in the configuration folder',
    script: 'for i in $(seq 8); do head -c 10000000 /dev/urandom > "$CLAUDE_CONFIG_DIR/big$i"; done',
    after: async (world) => {
      const mib = (await world.storedBytes()) / 1024 ** 2;
      return mib > 60 ? `${Math.round(mib)} MiB are stored` : null;
    },
  },
  {
    id: 'limit-output',
    long: true,
    tries: 'flood the conversation with output',
    script: 'yes flood | head -c 60000000',
    mayDie: true,
  },
];

const kind = (name: string, cases: readonly TurnCase[], more: Partial<TurnCase> = {}) =>
  cases.map((one) => ({ bareReason: OPEN, ...more, ...one, kind: name }));

export const PROCESS_CASES = [
  ...kind('secrets', SECRETS),
  ...kind('processes', PROCESSES),
  ...kind('kernel', KERNEL),
  ...kind('host', HOST, { alone: true, mayDie: true, harmful: true }),
  ...kind('limits', LIMITS, { alone: true, harmful: true }),
];
