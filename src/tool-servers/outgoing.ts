// Requests to tools' servers, from the worker's side. Whoever controls a name decides where it leads, so an address that is not
// on the internet is connected to only if the owner wrote it. A name is resolved here, once, and the addresses that were
// checked are those that are dialled. Redirects are not followed: a credential goes where the owner said and nowhere else.
import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { hostOf, isListed } from '../host/sandbox/host-pattern.ts';
import { isPublicAddress } from '../host/sandbox/public-address.ts';
import { hostnameOf, THIS_MACHINE } from './remote-server.ts';

export interface OutgoingRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | null;
  readonly signal: AbortSignal;
}

export interface Outgoing {
  /** Resolves with the head of the answer. Rejects with `NotReachable` when there is none. */
  send(request: OutgoingRequest): Promise<IncomingMessage>;
  close(): void;
}

export interface OutgoingOptions {
  /** URLs that the owner wrote: their hosts may be private addresses. */
  readonly written: readonly string[];
  /** Hosts that the owner's `network` setting lists: its addresses may be private. */
  readonly allow: readonly string[];
  readonly resolve?: (host: string) => Promise<readonly LookupAddress[]>;
}

/** Its message is fit for a log, not for the agent: it may name addresses of a private network. */
export class NotReachable extends Error {}

const CONNECT_MS = 10_000;
/** Without a byte for so long a server is away. Calls of tools may be slow; the CLI has its own, shorter limits. */
const SILENT_MS = 15 * 60_000;
const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

export function createOutgoing(options: OutgoingOptions): Outgoing {
  const { resolve = (host) => lookup(host, { all: true }) } = options;
  const written = new Set(options.written.map((url) => originOf(new URL(url))));

  function mayBe(address: string, url: URL): boolean {
    const host = hostOf(address);
    if (host === null) return false;
    if (isPublicAddress(host)) return true;
    const wasWritten = written.has(originOf(url));
    if (wasWritten && hostnameOf(url) === host) return true;
    if (wasWritten && isThisMachine(url) && LOOPBACK.some((one) => one.address === host)) return true;
    const named = options.allow.filter((pattern) => !pattern.startsWith('*'));
    return isListed(named, { host, port: portOf(url) });
  }

  async function addressesOf(url: URL): Promise<readonly LookupAddress[]> {
    const host = hostnameOf(url);
    const family = isIP(host);
    const found =
      family !== 0 ? [{ address: host, family }] : isThisMachine(url) ? LOOPBACK : await resolve(host);
    const fit = found.filter(({ address }) => mayBe(address, url));
    if (fit.length > 0) return fit;
    throw new NotReachable(`${host} leads to an address that is not on the internet, and was not allowed.`);
  }

  const agents = {
    'http:': new HttpAgent({ keepAlive: true, timeout: SILENT_MS }),
    'https:': new HttpsAgent({ keepAlive: true, timeout: SILENT_MS }),
  };

  return {
    async send({ method, url, headers, body, signal }) {
      const { protocol } = url;
      if (protocol !== 'http:' && protocol !== 'https:') throw new NotReachable(`${protocol} is not HTTP.`);
      const addresses = await addressesOf(url).catch((cause: unknown) => {
        if (cause instanceof NotReachable) throw cause;
        throw new NotReachable(`The name ${hostnameOf(url)} cannot be resolved.`, { cause });
      });
      signal.throwIfAborted();
      return await new Promise<IncomingMessage>((done, fail) => {
        const onward = (protocol === 'https:' ? httpsRequest : httpRequest)(url, {
          method,
          headers: { ...headers, ...(body === null ? {} : { 'content-length': Buffer.byteLength(body) }) },
          agent: agents[protocol],
          signal,
          // What was checked is what is dialled. A kept connection was checked when it was made.
          lookup: (_host: string, asked: LookupOptions, back: LookupBack) => {
            if (asked.all) back(null, [...addresses]);
            else back(null, addresses[0]?.address ?? '', addresses[0]?.family);
          },
        });
        onward.on('socket', (socket) => {
          if (!socket.connecting) return;
          const late = setTimeout(() => onward.destroy(new NotReachable('No connection.')), CONNECT_MS);
          const connected = (): void => clearTimeout(late);
          socket.once('connect', connected).once('close', connected);
        });
        onward.setTimeout(SILENT_MS, () => onward.destroy(new NotReachable('Nothing came for long.')));
        onward.on('response', done);
        onward.on('error', (cause) =>
          fail(cause instanceof NotReachable ? cause : new NotReachable('No answer.', { cause })),
        );
        onward.end(body ?? undefined);
      });
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

type LookupBack = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

function isThisMachine(url: URL): boolean {
  return THIS_MACHINE.includes(hostnameOf(url));
}

function originOf(url: URL): string {
  return `${url.protocol}//${hostnameOf(url)}:${portOf(url)}`;
}

function portOf({ protocol, port }: URL): number {
  return Number(port || (protocol === 'https:' ? 443 : 80));
}
