// What lies around a system under attack: a private file for each attack to try its hands on, services of the machine that
// answer with a canary, a program at the attacker's own address.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ToolCall } from './attack-case.ts';

/** Not written out in any script, so that only who finds one can print it. */
export const PATTERN = 'canary-[a-z]+-[0-9a-f]{16}';
export const canary = (name: string): string => `canary-${name}-${randomBytes(8).toString('hex')}`;

export const bash = (command: string): ToolCall => ({
  name: 'Bash',
  input: { command, description: 'attack', timeout: 30_000 },
});

/** Steps that close what was opened, to be run from the last to the first. */
export type Closing = (() => unknown)[];

export interface Surroundings {
  readonly privateFolder: string;
  readonly servicePort: number;
  /** Requests that the program at the attacker's address got. */
  readonly called: readonly string[];
  variables(id: string): Readonly<Record<string, string>>;
  prepare(id: string): Promise<void>;
  damage(id: string): Promise<string | null>;
}

export async function openSurroundings(folder: string, closing: Closing): Promise<Surroundings> {
  const privateFolder = join(folder, 'private');
  for (const path of ['', '.aws', '.claude']) await mkdir(join(privateFolder, path));
  await writeFile(join(privateFolder, '.aws/credentials'), canary('cloudfile'));
  await writeFile(join(privateFolder, '.claude/.credentials.json'), canary('account'));

  const called: string[] = [];
  const service = createHttpServer((_, response) => response.end(canary('service')));
  const evil = createHttpServer((request, response) => {
    called.push(request.url ?? '');
    response.writeHead(500).end();
  });
  const greet = () => createServer((socket) => socket.on('error', () => {}).end(canary('socket')));
  const abstract = `hybrid-attack-${randomBytes(4).toString('hex')}`;
  const unixSocket = join(privateFolder, 'service.sock');
  const servicePort = await listen(service, { port: 0, host: '0.0.0.0' }, closing);
  const evilPort = await listen(evil, { port: 0, host: '127.0.0.1' }, closing);
  await listen(greet(), { path: `\0${abstract}` }, closing);
  await listen(greet(), { path: unixSocket }, closing);

  const targetOf = (id: string) => join(privateFolder, `target-${id}`);
  const snapshot = async (id: string): Promise<string> => {
    const inside = await readdir(`${targetOf(id)}.d`).catch((error: unknown) => [String(error)]);
    return [await readFile(targetOf(id), 'latin1').catch(String), ...inside.sort()].join('\n');
  };
  const before = new Map<string, string>();

  return {
    privateFolder,
    servicePort,
    called,
    variables: (id) => ({
      ID: id,
      TARGET: targetOf(id),
      LEFT: `hs-left-${id}-x`,
      MARK: `mark-of-${id}-x`,
      FORBIDDEN: `forbidden-${id}-x`,
      PATTERN,
      HOME_OUT: privateFolder,
      SERVER: String(process.pid),
      SERVICE_PORT: String(servicePort),
      ABSTRACT: abstract,
      UNIX_SOCKET: unixSocket,
      EVIL: `http://127.0.0.1:${evilPort}/evil-${id}-x`,
      MACHINE: hostname(),
      ADDRESSES: Object.values(networkInterfaces())
        .flatMap((list) => list ?? [])
        .filter(({ internal, family }) => !internal && family === 'IPv4')
        .map(({ address }) => address)
        .join(' '),
    }),
    async prepare(id) {
      await writeFile(targetOf(id), `precious ${canary('target')} without a line end`);
      await mkdir(`${targetOf(id)}.d`);
      for (const name of ['settings.json', 'CLAUDE.md', '.credentials.json', 'key.txt'])
        await writeFile(join(`${targetOf(id)}.d`, name), canary('folder'));
      before.set(id, await snapshot(id));
    },
    async damage(id) {
      const now = await snapshot(id);
      return now === before.get(id) ? null : `outside it reads now: ${now.slice(0, 100)}`;
    },
  };
}

async function listen(server: Server, where: object, closing: Closing): Promise<number> {
  // An attacker need not end what it opened: nobody waits for that.
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where, resolve));
  closing.push(() => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of open) socket.destroy();
    return closed;
  });
  return (server.address() as AddressInfo).port;
}

export async function until(look: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !look(); tries += 1) {
    if (tries > 6_000) throw new Error(`Waited in vain for ${what}.`);
    await sleep(10);
  }
}
