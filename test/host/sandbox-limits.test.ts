// A host that takes too much: it is bounded or ended, the worker goes on and says why.
import { describe, expect, test } from 'vitest';
import { runInside, USERS } from './run-inside.ts';

const MIB = 1024 ** 2;
/** Takes so many MiB and keeps them. */
const hog = (mib: number) => `perl -e 'my $x = "x" x (${mib} * 1048576); sleep 30'`;

describe.each(USERS)('started by $name', ({ uid }) => {
  test('one after the other, in one worker', async () => {
    const { results } = await runInside({
      uid,
      limits: {
        cpuSec: 1,
        memoryBytes: 256 * MIB,
        processes: 64,
        openFiles: 64,
        fileBytes: 8 * MIB,
        temporaryBytes: 4 * MIB,
      },
      scripts: [
        ':(){ :|:& };: ; sleep 2; echo "still here"',
        hog(8_000),
        `${hog(100)} & ${hog(100)} & ${hog(100)} & ${hog(100)} & wait`,
        'head -c 20000000 /dev/zero > big; ls -l big | cut -d" " -f5',
        'head -c 20000000 /dev/zero > /tmp/big; head -c 20000000 /dev/zero > /dev/shm/big; du -k /tmp /dev/shm',
        'for i in $(seq 10 100); do eval "exec $i< /dev/null" || break; done; ls /proc/$$/fd | wc -l',
        'while :; do :; done',
        'echo "the next one is well"',
      ],
    });
    const [bomb, one, many, file, temporary, open, busy, next] = results;
    expect(bomb!.err).toMatch(/Resource temporarily unavailable|Cannot fork|retry/);
    expect(bomb!.notices).toContainEqual(expect.objectContaining({ type: 'limit', limit: 'processes' }));
    expect(one!.err).toMatch(/Out of memory/);
    expect(many!.end).toMatchObject({
      overLimit: { limit: 'memoryBytes', message: expect.stringContaining('of memory together') },
    });
    expect(file!.out).toBe('8388608\n');
    expect(temporary!.err.match(/No space left on device/g)).toHaveLength(2);
    expect(Number(open!.out)).toBeLessThanOrEqual(64);
    expect(open!.err).toMatch(/Too many open files|Bad file descriptor/);
    expect(busy!.end.code).toBe(128 + 24);
    expect(next).toMatchObject({ out: 'the next one is well\n', end: { code: 0 } });
  });

  test.each([
    ['in one place', 'while head -c 4000000 /dev/zero >> "$HOME/$((RANDOM % 50))"; do sleep 0.05; done'],
    [
      'behind a folder that may not be read',
      'mkdir d; cd d; chmod 300 .; while head -c 4000000 /dev/zero >> $((RANDOM % 50)); do sleep 0.05; done',
    ],
  ])('who fills the disk %s is ended', async (_name, script) => {
    const { results } = await runInside({
      uid,
      limits: { diskBytes: 64 * MIB },
      scripts: [`timeout 60 bash -c '${script}'`, 'echo next'],
    });
    expect(results[0]!.end).toMatchObject({
      overLimit: { limit: 'diskBytes', message: expect.stringContaining('of disk') },
    });
    expect(results[1]).toMatchObject({ out: 'next\n' });
  });
});
