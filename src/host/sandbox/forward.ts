// Inside a host: makes sockets that the worker handed in reachable as ports on loopback, for programs (the CLI, curl) that
// know no sockets. It runs in the host's own program, so it ends with it. Without a wall it works the same.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Of the environment of a host: JSON of socket paths by name. */
export const SOCKETS_VARIABLE = 'HYBRID_SESSIONS_SOCKETS';

/** The name of the socket behind which the proxy to allowed hosts is. */
export const PROXY_SOCKET = 'proxy';

export interface Forward {
  readonly port: number;
  close(): Promise<void>;
}

export interface Forwards {
  /** By the socket's name: `http://127.0.0.1:<port>` is what is behind it. */
  readonly ports: Readonly<Record<string, number>>;
  /** For the programs of the agent: the way to the hosts that are allowed. Empty without a proxy. */
  readonly proxyEnvironment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** `text`: what SOCKETS_VARIABLE holds; nothing means no socket. */
export async function openForwards(text: string | undefined): Promise<Forwards> {
  const sockets = text === undefined ? {} : (JSON.parse(text) as Record<string, string>);
  const forwards = new Map<string, Forward>();
  for (const [name, path] of Object.entries(sockets)) forwards.set(name, await forwardLoopback(0, path));
  const ports = Object.fromEntries([...forwards].map(([name, { port }]) => [name, port]));
  const proxy = ports[PROXY_SOCKET];
  return {
    ports,
    proxyEnvironment: proxy === undefined ? {} : proxyEnvironment(proxy),
    close: async () => void (await Promise.all([...forwards.values()].map((forward) => forward.close()))),
  };
}

/** Port 0 takes one that is free. Connections that the other side does not take are closed. */
export async function forwardLoopback(port: number, path: string): Promise<Forward> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ path, allowHalfOpen: true });
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
    }
    // What was written before the other side went still arrives.
    near.on('error', () => far.destroy()).on('close', () => far.destroySoon());
    far.on('error', () => near.destroy()).on('close', () => near.destroySoon());
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** Under all names that programs look for. Node's own fetch looks only when told to. */
function proxyEnvironment(port: number): Record<string, string> {
  const url = `http://127.0.0.1:${port}`;
  const direct = 'localhost,127.0.0.1,::1';
  const values = { HTTP_PROXY: url, HTTPS_PROXY: url, ALL_PROXY: url, NO_PROXY: direct };
  const entries = Object.entries(values);
  return {
    ...values,
    ...Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value])),
    NODE_USE_ENV_PROXY: '1',
  };
}
