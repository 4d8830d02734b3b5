// Which addresses webhooks may be sent to: https on the internet, and what the installation lists, there also without TLS.
import { BlockList, isIP } from 'node:net';
import { isPublicAddress } from '../host/sandbox/public-address.ts';

export interface WebhookAddresses {
  /** Why nothing may be sent there, as far as it can be seen without asking for names; null when it may. */
  faultOf(url: URL): string | null;
  /** Whether that protocol may connect to this address. */
  isAllowed(protocol: string, address: string): boolean;
}

export const NOT_PUBLIC = 'This address is not on the internet, and the installation does not allow it.';
const NO_TLS = 'Only https addresses are sent to.';

export function webhookAddresses(privateAddresses: readonly string[]): WebhookAddresses {
  const listed = new BlockList();
  for (const one of privateAddresses) {
    const [address = '', bits] = one.split('/');
    if (bits === undefined) listed.addAddress(address, familyOf(address));
    else listed.addSubnet(address, Number(bits), familyOf(address));
  }

  function isAllowed(protocol: string, address: string): boolean {
    if (listed.check(address, familyOf(address))) return true;
    return protocol === 'https:' && isPublicAddress(address);
  }

  return {
    isAllowed,
    faultOf({ protocol, hostname, username, password }) {
      if (protocol !== 'https:' && protocol !== 'http:') return NO_TLS;
      if (username !== '' || password !== '') return 'An address with a name or password in it is not used.';
      const host = hostname.replace(/^\[|\]$/g, '');
      if (isIP(host)) {
        if (isAllowed(protocol, host)) return null;
        return isPublicAddress(host) ? NO_TLS : NOT_PUBLIC;
      }
      // What a name means is seen when it is connected to.
      return protocol === 'http:' && privateAddresses.length === 0 ? NO_TLS : null;
    },
  };
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
