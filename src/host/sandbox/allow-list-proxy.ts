// The way out of a sandbox that may reach some hosts: an HTTP proxy on our side, on a unix socket that is handed in. It
// checks the name that is asked for, resolves it itself, checks the address, and connects to that very address, so that a
// name cannot change its meaning in between. HTTPS goes through as it is (CONNECT): what is said inside is not looked at.
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as requestOf,
  type ServerResponse,
} from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Destination, hostOf, isListed } from './host-pattern.ts';
import { isPublicAddress } from './public-address.ts';

export interface AllowListProxyOptions {
  /** Where to listen. */
  readonly socketPath: string;
  /** As in `network.allow` of settings.json. */
  readonly allow: readonly string[];
  /** After so many, both ways and all connections together, nothing more goes through. */
  readonly maxBytes: number;
  readonly onRefused?: (refused: Destination & { readonly reason: string }) => void;
  /** When `maxBytes` have gone through. */
  readonly onFull?: () => void;
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  readonly isPublic?: (address: string) => boolean;
}

export interface AllowListProxy {
  close(): Promise<void>;
}

/** Services on this machine's loopback, where the list names it; inside, `localhost` is the sandbox's own. */
const THIS_MACHINE = 'host.internal';
const LOOPBACK = ['127.0.0.1', '::1'];

const MAX_CONNECTIONS = 128;
const CONNECT_MS = 10_000;
const RESOLVE_MS = 10_000;
/** Of a name with many. */
const ADDRESSES_TRIED = 4;
const IDLE_MS = 300_000;
const LIFE_MS = 3_600_000;

class NotAllowed extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export async function openAllowListProxy(options: AllowListProxyOptions): Promise<AllowListProxy> {
  const open = new Set<Duplex>();
  let bytes = 0;

  /** Follows a connection: what went through, and for how long. */
  const watch = <T extends Socket | Duplex>(socket: T): T => {
    open.add(socket);
    const life = setTimeout(() => socket.destroy(), LIFE_MS);
    life.unref();
    if ('setTimeout' in socket) socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(life);
      open.delete(socket);
    });
    return socket;
  };
  const isFull = (): boolean => bytes > options.maxBytes;
  const count = (piece: Uint8Array): void => {
    const before = isFull();
    bytes += piece.byteLength;
    if (!isFull() || before) return;
    for (const socket of open) socket.destroy();
    options.onFull?.();
  };

  const reach = async (host: string, port: number): Promise<Socket> => {
    if (isFull()) throw new NotAllowed(403, 'This session has used up what it may send and receive.');
    return watch(await connectTo(host, port, options));
  };

  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    passOn(request, response, { reach, count }).catch((error) => refuse(response, error));
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', watch);
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('connect', (request, near, head) => {
    const [, host = '', port = ''] = /^(.*):(\d{1,5})$/.exec(request.url ?? '') ?? [];
    reach(host, Number(port)).then(
      (far) => {
        near.write('HTTP/1.1 200 Connection established\r\n\r\n');
        if (head.length > 0) far.write(head);
        near.on('data', count).pipe(far);
        far.on('data', count).pipe(near);
        near.on('close', () => far.destroySoon());
        far.on('close', () => near.end());
      },
      (error: Error) => {
        const text = `${error.message}\n`;
        near.end(
          `HTTP/1.1 ${statusOf(error)} Refused\r\ncontent-type: text/plain\r\nconnection: close\r\n` +
            `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
        );
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.socketPath, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** A plain HTTP request, which names its whole URL. */
async function passOn(
  request: IncomingMessage,
  response: ServerResponse,
  way: {
    readonly reach: (host: string, port: number) => Promise<Socket>;
    readonly count: (piece: Uint8Array) => void;
  },
): Promise<void> {
  const url = URL.canParse(request.url ?? '') ? new URL(request.url ?? '') : null;
  if (url?.protocol !== 'http:')
    throw new NotAllowed(400, 'This proxy wants a whole http:// URL, or CONNECT.');
  const written = writtenHost(request.url ?? '');
  if (hostOf(written) !== hostOf(url.hostname) && hostOf(written) !== null) {
    throw new NotAllowed(400, 'The host of this URL can be read in two ways.');
  }
  const far = await way.reach(written, Number(url.port || 80));
  const onward = requestOf({
    createConnection: () => far,
    method: request.method ?? 'GET',
    path: url.pathname + url.search,
    headers: { ...withoutHops(request.headers), host: url.host, connection: 'close' },
  });
  onward.on('error', (error) => refuse(response, error));
  onward.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, withoutHops(answer.headers));
    answer.on('error', () => response.destroy());
    answer.on('data', way.count).pipe(response);
  });
  response.on('close', () => onward.destroy());
  request.on('data', way.count).pipe(onward);
}

/** As it was written: `URL` would turn 0x7f.1 into an address. */
function writtenHost(url: string): string {
  return /^http:\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|[^:/?#]*)/i.exec(url)?.[1] ?? '';
}

async function connectTo(written: string, port: number, options: AllowListProxyOptions): Promise<Socket> {
  const host = hostOf(written);
  const refused = (reason: string): NotAllowed => {
    options.onRefused?.({ host: host ?? written.slice(0, 255), port, reason });
    return new NotAllowed(403, reason);
  };
  if (host === null) throw refused('The name of this host is not one that is allowed.');
  if (!isListed(options.allow, { host, port })) {
    throw refused(
      `${host}:${port} is not among the hosts that this agent may reach (network in settings.json).`,
    );
  }
  const addresses =
    host === THIS_MACHINE ? LOOPBACK : isIP(host) === 0 ? await resolved(host, options.resolve) : [host];
  const fit = addresses.filter((address) => mayBe(address, { host, port }, options));
  if (addresses.length > 0 && fit.length === 0) {
    throw refused(
      `${host} leads to an address that is not on the internet, and that address is not allowed.`,
    );
  }
  for (const address of fit.slice(0, ADDRESSES_TRIED)) {
    const socket = await connected(address, port);
    if (socket) return socket;
  }
  throw new NotAllowed(502, `${host}:${port} cannot be reached.`);
}

/** An address that is not public must be listed itself: whoever owns a name decides what it leads to. */
function mayBe(address: string, { host, port }: Destination, options: AllowListProxyOptions): boolean {
  const { isPublic = isPublicAddress } = options;
  const written = hostOf(address);
  if (written === null) return false;
  if (isPublic(written)) return true;
  const named = options.allow.filter((pattern) => !pattern.startsWith('*'));
  if (host === THIS_MACHINE) return LOOPBACK.includes(written) && isListed(named, { host, port });
  return isListed(named, { host: written, port });
}

async function resolved(
  host: string,
  resolve: AllowListProxyOptions['resolve'] = async (name) =>
    (await lookup(name, { all: true })).map(({ address }: LookupAddress) => address),
): Promise<readonly string[]> {
  const waited = new Promise<never>((_resolve, reject) => {
    setTimeout(() => reject(new Error('No answer.')), RESOLVE_MS).unref();
  });
  try {
    return await Promise.race([resolve(host), waited]);
  } catch {
    throw new NotAllowed(502, `The name ${host} cannot be resolved.`);
  }
}

function connected(address: string, port: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, noDelay: true, allowHalfOpen: true });
    const timer = setTimeout(() => socket.destroy(), CONNECT_MS);
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.once('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(null);
    });
  });
}

function refuse(response: ServerResponse, error: Error): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(statusOf(error), { 'content-type': 'text/plain', connection: 'close' });
  response.end(`${error instanceof NotAllowed ? error.message : 'The host did not answer.'}\n`);
}

const statusOf = (error: Error): number => (error instanceof NotAllowed ? error.status : 502);

/** Between one hop and the next. */
const HOPS = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

function withoutHops(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOPS.has(name)));
}
