// Which addresses are out on the internet. What is not: this machine, its network, its cloud's services (metadata gives
// credentials away), and ranges that no one has. Ranges: IANA's special-purpose registries.
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

const SPECIAL_FOUR = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  // Azure's host answers its machines here.
  ['168.63.129.16', 32],
] as const;

/** Of the public part: protocol assignments with Teredo, documentation, 6to4 (the last could carry any address of four). */
const SPECIAL_SIX = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const;

const special = new BlockList();
for (const [network, bits] of SPECIAL_FOUR) special.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of SPECIAL_SIX) special.addSubnet(network, bits, 'ipv6');

/** The only part of the addresses of six that is given out; others map to four, are private, or mean this network. */
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');

export function isPublicAddress(address: string, own: readonly string[] = ownAddresses()): boolean {
  if (own.includes(address)) return false;
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4');
    case 6:
      return global.check(address, 'ipv6') && !special.check(address, 'ipv6');
    default:
      return false;
  }
}

/** A service that listens everywhere answers under these, too. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address));
}
