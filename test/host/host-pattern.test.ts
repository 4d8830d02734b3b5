// Which hosts a list allows, in every spelling that programs and resolvers take.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostOf, isHostPattern, isListed } from '../../src/host/sandbox/host-pattern.ts';
import { networkSchema } from '../../src/host/sandbox/network-setting.ts';
import { isPublicAddress } from '../../src/host/sandbox/public-address.ts';

const listed = (patterns: string[], written: string, port = 443) => {
  const host = hostOf(written);
  return host !== null && isListed(patterns, { host, port });
};

describe('names', () => {
  test.each<[string[], string, number, boolean]>([
    [['example.com'], 'example.com', 443, true],
    [['example.com'], 'EXAMPLE.com', 80, true],
    [['Example.COM'], 'example.com.', 443, true],
    [['example.com'], 'example.com', 8080, false],
    [['example.com'], 'www.example.com', 443, false],
    [['example.com'], 'notexample.com', 443, false],
    [['example.com'], 'example.com.evil.example', 443, false],
    [['*.example.com'], 'www.example.com', 443, true],
    [['*.example.com'], 'a.b.example.com', 443, true],
    [['*.example.com'], 'example.com', 443, false],
    [['*.example.com'], 'evilexample.com', 443, false],
    [['*.example.com'], '.example.com', 443, false],
    [['example.com:8443'], 'example.com', 8443, true],
    [['example.com:8443'], 'example.com', 443, false],
    [['*'], 'anything.example', 443, true],
    [['*'], 'anything.example', 22, false],
    [['*:22'], 'anything.example', 22, true],
    [['*'], '203.0.113.5', 443, false],
    [['bücher.example'], 'xn--bcher-kva.example', 443, true],
    [['xn--bcher-kva.example'], 'BÜCHER.example', 443, true],
    [['127.0.0.1:3000'], '127.0.0.1', 3000, true],
    [['127.0.0.1:3000'], '127.0.0.1', 80, false],
    [['[::1]:3000'], '::1', 3000, true],
    [['::1'], '[0:0:0:0:0:0:0:1]', 443, true],
    [['example.com'], 'example.com\0.evil.example', 443, false],
    [['example.com'], 'example.com@evil.example', 443, false],
    [['example.com'], 'evil.example#example.com', 443, false],
    [['example.com'], 'example.com/evil', 443, false],
    [['example.com'], '', 443, false],
  ])('%j and %s:%i: %s', (patterns, host, port, expected) => {
    expect(listed(patterns, host, port)).toBe(expected);
  });

  test.each([
    '*',
    '*.example.com',
    'example.com',
    'example.com:8443',
    '10.0.0.1',
    '[::1]:80',
    '::1',
    'localhost:3000',
    '_dmarc.example.com',
  ])('%s is a pattern', (text) => {
    expect(isHostPattern(text)).toBe(true);
  });

  test.each([
    '',
    '*.',
    '.',
    'a..b',
    'ex*mple.com',
    '*example.com',
    '**',
    '*.*',
    'example.com:0',
    'example.com:65536',
    'example.com:http',
    'https://example.com',
    'example.com/',
    'exa mple.com',
    '127.1',
    '*.10.0.0.1',
    '0x7f.1',
    '2130706433',
    '-a.example',
    'a@b',
  ])('%j is none', (text) => {
    expect(isHostPattern(text)).toBe(false);
    expect(networkSchema.safeParse({ allow: [text] }).success).toBe(false);
  });
});

describe('addresses in odd spellings', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const spelled = (value: number) =>
    fc.constantFrom(
      String(value),
      `0${value.toString(8)}`,
      `0x${value.toString(16)}`,
      `0X${value.toString(16).toUpperCase()}`,
    );

  test('a wildcard never lets an address through, however it is written', () => {
    fc.assert(
      fc.property(
        fc.tuple(octet, octet, octet, octet).chain(([a, b, c, d]) =>
          fc.oneof(
            fc.tuple(spelled(a), spelled(b), spelled(c), spelled(d)).map((parts) => parts.join('.')),
            fc.tuple(spelled(a), spelled((b << 16) | (c << 8) | d)).map((parts) => parts.join('.')),
            spelled(a * 2 ** 24 + ((b << 16) | (c << 8) | d)),
            fc.constant(`[::ffff:${a}.${b}.${c}.${d}]`),
            fc.constant(`${a}。${b}。${c}。${d}`),
          ),
        ),
        fc.constantFrom('', '.'),
        (address, dot) => !listed(['*'], address + dot) && !listed(['*:443'], address + dot),
      ),
    );
  });
});

describe('addresses that are not on the internet', () => {
  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '169.254.170.2',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::1',
    '3fff::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '5f00::1',
    'no address',
  ])('%s', (address) => {
    expect(isPublicAddress(address, [])).toBe(false);
  });

  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '100.128.0.1',
    '172.32.0.1',
    '192.169.0.1',
    '2606:4700:4700::1111',
    '2a00:1450::1',
  ])('%s is', (address) => {
    expect(isPublicAddress(address, [])).toBe(true);
  });

  test('those of this machine are not, whatever they are', () => {
    expect(isPublicAddress('1.1.1.1', ['1.1.1.1'])).toBe(false);
  });
});
