// The proxy to allowed hosts, as one host gets it: on a socket in a folder of our own, which goes when the host is gone.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAllowListProxy } from './allow-list-proxy.ts';
import { PROXY_SOCKET } from './forward.ts';
import type { SandboxLimits } from './limits.ts';
import type { StartOptions } from './sandbox.ts';

export interface WayOut {
  readonly sockets: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** null where there is nothing to reach, or nothing to keep it from. */
export async function openWayOut(
  { network, onNotice }: Pick<StartOptions, 'network' | 'onNotice'>,
  limits: SandboxLimits,
): Promise<WayOut | null> {
  if (typeof network === 'string') return null;
  const folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-way-'));
  const socketPath = join(folder, 'proxy.sock');
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const proxy = await openAllowListProxy({
      socketPath,
      allow: network.allow,
      maxBytes: limits.networkBytes,
      onRefused: ({ host, port, reason }) => onNotice?.({ type: 'refused-host', host, port, reason }),
      onFull: () =>
        onNotice?.({
          type: 'limit',
          limit: 'networkBytes',
          message: 'The session has used up what it may send and receive.',
        }),
    });
    return {
      sockets: { [PROXY_SOCKET]: socketPath },
      close: async () => {
        await proxy.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
