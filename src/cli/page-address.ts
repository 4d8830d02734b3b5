// The page's address with this machine's key, and how it is read back. The key stands in the fragment, which a browser
// sends to no server and names to no other page. `start` prints it to a terminal only: what it prints elsewhere ends in
// logs that others may read.
import { isLoopbackHost } from '../api/guard.ts';
import { Gone, Invalid } from '../core/errors.ts';
import { accessKeyFile, readAccessKey } from '../local/access-key.ts';
import { readConfiguration } from '../local/configuration.ts';
import type { CliContext, DataOptions } from './context.ts';

const FRAGMENT = '#key=';

interface PageAddress {
  readonly url: string;
  /** What the operator is told about the key. */
  readonly access: string;
}

export function pageAddress(url: string, key: string): string {
  return `${url}/${FRAGMENT}${key}`;
}

/** What `start` prints. */
export function shownAddress(server: {
  readonly url: string;
  readonly host: string;
  readonly key: string;
  readonly interactive: boolean;
}): PageAddress {
  const { url, host, key, interactive } = server;
  if (!isLoopbackHost(host)) return { url, access: 'with one of the keys that are set' };
  if (interactive)
    return { url: pageAddress(url, key), access: 'this address holds the key; it is for you alone' };
  return { url, access: 'with a key; `hybrid-sessions address` prints the address that holds it' };
}

/** Takes a server's address as a person gives it, which may hold the key. Throws `Invalid('usage')`. */
export function readAddress(text: string): { readonly url: string; readonly key: string | null } {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new Invalid('usage', `${text} is not the address of a server.`, {
      advice: 'It looks like http://127.0.0.1:8787.',
    });
  }
  const url = new URL(text);
  const key = url.hash.startsWith(FRAGMENT) ? url.hash.slice(FRAGMENT.length) : null;
  url.hash = '';
  return { url: url.href, key };
}

/** `address`: prints it, for a server of this machine that was started out of sight. */
export async function address(
  { env, cwd, terminal }: CliContext,
  options: DataOptions & { readonly port?: number },
): Promise<void> {
  const { port, data } = options;
  const overrides = {
    ...(port !== undefined && { port }),
    ...(data !== undefined && { dataDir: data }),
  };
  const configuration = readConfiguration({ env, cwd, overrides });
  const key = await readAccessKey(configuration.dataDir);
  if (key === null) {
    throw new Gone('no-key', `There is no key at ${accessKeyFile(configuration.dataDir)} yet.`, {
      advice: 'The first `hybrid-sessions start` makes it; name another data folder with --data.',
    });
  }
  if (configuration.port === 0) {
    throw new Invalid('usage', 'The port of the server is not known.', { advice: 'Give it with --port.' });
  }
  const { host } = configuration;
  // A server on all addresses of the machine answers on loopback, too.
  const name = !isLoopbackHost(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  terminal.line(pageAddress(`http://${name}:${configuration.port}`, key));
}
