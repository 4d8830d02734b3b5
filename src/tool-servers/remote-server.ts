// A tool server at a URL, as mcp.json names it, and the references to credentials in its headers: `${vault:NAME}`. What is
// checked here is checked when an agent folder is read, so that a slip stops the start and not a turn.
import { isIP } from 'node:net';
import { isOwnName } from '../core/vault.ts';
import { hostOf } from '../host/sandbox/host-pattern.ts';
import { isPublicAddress } from '../host/sandbox/public-address.ts';

export interface RemoteServer {
  readonly name: string;
  readonly type: 'http' | 'sse';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Present: people sign in to it. */
  readonly oauth?: {
    readonly clientId?: string | undefined;
    /** Name of a stored credential. */
    readonly clientSecret?: string | undefined;
    readonly scope?: string | undefined;
  };
}

/** This machine, for those who write it so; see `network` of an agent folder. */
export const THIS_MACHINE = ['localhost', 'host.internal'];

const REFERENCE = /\$\{vault:([^}]*)\}/g;
/** A header of these would change what the request is. */
const OF_THE_CONNECTION =
  /^(?:host|connection|content-length|content-type|transfer-encoding|te|trailer|upgrade|keep-alive|expect|proxy-.*|mcp-session-id)$/i;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** What is wrong with it, as the rest of a sentence that begins with the field; null when nothing is. */
export function remoteServerFault(server: Omit<RemoteServer, 'name'>): string | null {
  const url = new URL(server.url);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return 'url: must begin with https:// or http://';
  if (url.username !== '' || url.password !== '') {
    return 'url: must hold no user and no password; use a header with a stored credential';
  }
  if (hostOf(hostnameOf(url)) === null) return 'url: its host is neither a name nor an address';
  for (const [name, value] of Object.entries(server.headers)) {
    if (!HEADER_NAME.test(name) || OF_THE_CONNECTION.test(name)) return `headers.${name}: may not be set`;
    if (!/^[\x20-\x7e]*$/.test(value)) return `headers.${name}: must be visible ASCII characters`;
    const wrong = referencesIn(value).find((reference) => !isOwnName(reference));
    if (wrong !== undefined) return `headers.${name}: "${wrong}" is no name for a credential`;
  }
  const { oauth } = server;
  if (oauth && Object.keys(server.headers).some((name) => name.toLowerCase() === 'authorization')) {
    return 'oauth: may not stand beside an Authorization header';
  }
  if (oauth?.clientSecret !== undefined && (oauth.clientId === undefined || !isOwnName(oauth.clientSecret))) {
    return 'oauth.clientSecret: must be the name of a stored credential, beside clientId';
  }
  if ((oauth || Object.values(server.headers).some(hasReference)) && !keepsSecrets(url)) {
    return 'url: must begin with https://, because a stored credential is sent there';
  }
  return null;
}

export function hasReference(text: string): boolean {
  return text.includes('${vault:');
}

export function referencesIn(text: string): string[] {
  return [...text.matchAll(REFERENCE)].map(([, name = '']) => name);
}

/** The headers with values in the places of references. */
export function fillReferences(
  headers: RemoteServer['headers'],
  values: ReadonlyMap<string, string>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, text]) => [
      name.toLowerCase(),
      text.replace(REFERENCE, (_, reference: string) => values.get(reference) ?? ''),
    ]),
  );
}

export function hostnameOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Unencrypted only where nothing leaves this machine or a network that was named by its address. */
function keepsSecrets(url: URL): boolean {
  const host = hostnameOf(url);
  const isNear = (isIP(host) !== 0 && !isPublicAddress(host)) || THIS_MACHINE.includes(host);
  return url.protocol === 'https:' || isNear;
}
