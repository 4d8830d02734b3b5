// The agents' way to tool servers at URLs: on the worker's side, beside the model gateway and through the same server. An agent
// calls `/tool-servers/NAME` with the token of its turn; the request goes on to the URL that mcp.json names, with the headers
// that mcp.json names and the credentials of the vault in them. So an agent uses a server and never holds its key.
import { randomBytes } from 'node:crypto';
import { systemClock } from '../core/clock.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Vault } from '../core/ports/vault.ts';
import { createOutgoing, type Outgoing, type OutgoingOptions } from './outgoing.ts';
import { rememberedVault } from './remembered-vault.ts';
import { createServerCall } from './server-call.ts';
import { outgoingFetch } from './sign-in/outgoing-fetch.ts';
import { createSignInLinks } from './sign-in/sign-in-link.ts';
import { createSignIns } from './sign-in/sign-ins.ts';
import type { ToolServerCalls, ToolServersOfTurn } from './turn-tool-servers.ts';

export interface ToolServers {
  openTurn(turn: ToolServersOfTurn): ToolServerCalls;
  close(): void;
}

export interface ToolServersOptions {
  readonly vault: Vault;
  /** True where the vault is asked over a network: keys that owners stored are remembered for seconds. */
  readonly remember?: boolean;
  /** Under which people's browsers reach the pages to sign in; without it nobody can. */
  readonly publicUrl?: string | null;
  /** What sealed ids are good for rests on it: the same wherever a session's turns may run. @default random */
  readonly secret?: Uint8Array;
  /** False where holding a stream open costs: agents do without what an `http` server says unasked. @default true */
  readonly listening?: boolean;
  readonly resolve?: NonNullable<OutgoingOptions['resolve']>;
  readonly clock?: Clock;
  readonly log?: Log;
}

export function createToolServers(options: ToolServersOptions): ToolServers {
  const { vault, secret = randomBytes(32), listening = true, resolve, log = silentLog } = options;
  const { clock = systemClock, publicUrl = null } = options;
  const keys = options.remember ? rememberedVault(vault, clock) : vault;
  const links = publicUrl === null ? null : createSignInLinks({ vault, publicUrl, clock });
  /** By what they may reach: connections outlive a turn. */
  const ways = new Map<string, Outgoing>();

  function wayOf({ servers, allow }: ToolServersOfTurn): Outgoing {
    const written = servers.map(({ url }) => url);
    const key = JSON.stringify([written, allow]);
    const way = ways.get(key) ?? createOutgoing({ written, allow, ...(resolve && { resolve }) });
    ways.set(key, way);
    return way;
  }

  return {
    openTurn(turn) {
      const outgoing = wayOf(turn);
      const over = new AbortController();
      const signIns = createSignIns({ turn, vault, links, clock, fetch: outgoingFetch(outgoing), log });
      const byName = new Map(turn.servers.map((server) => [server.name, server]));
      return {
        async answer(name, call) {
          const signal = AbortSignal.any([call.signal, over.signal]);
          signal.throwIfAborted();
          const server = byName.get(name) ?? null;
          return await createServerCall({ turn, vault: keys, signIns, outgoing, secret, listening, log })(
            server,
            {
              ...call,
              signal,
            },
          );
        },
        notes: signIns.notes,
        close: () => over.abort(),
      };
    },
    close() {
      for (const way of ways.values()) way.close();
      ways.clear();
    },
  };
}
