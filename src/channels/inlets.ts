// The webhooks of several channels as one app: finds the channel by path and method, opens it at its first request,
// and leaves everything else about the request to it, the check of the caller included.
import { Hono } from 'hono';
import { type AcceptDeps, acceptAndQueue } from '../core/accept.ts';
import { systemClock } from '../core/clock.ts';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { tenantId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { acceptMove } from '../core/move-conversation.ts';
import type { OfferedCommand } from '../core/offered-commands.ts';
import { once } from '../core/once.ts';
import type { SessionStore } from '../core/ports.ts';
import { stopTurns } from '../core/stop.ts';
import { forTenant } from '../core/tenant-bound.ts';
import type { TenantRecord } from '../core/tenants.ts';
import type { ChannelDescriptor, InletContext, WebhookHandler } from './descriptor.ts';
import type { ChannelSettings } from './settings.ts';

export type InletDeps = AcceptDeps & {
  readonly store: SessionStore;
  readonly log: Log;
  /** Of the installation's agent folder. */
  readonly commands?: readonly OfferedCommand[];
};

/** What every inlet is given besides its settings and its identity. `owner`: whose bot it is; null: the installation's own. */
export function inletContext(
  given: InletDeps,
  owner: Pick<TenantRecord, 'name' | 'settings'> | null = null,
): Omit<InletContext<ChannelSettings>, 'settings' | 'identity'> {
  const tenant = owner?.name ?? DEFAULT_TENANT;
  const deps = {
    ...given,
    ...forTenant(given, tenantId(tenant)),
  };
  return {
    tenant,
    accept: async (request) => void (await acceptAndQueue(deps, request)),
    stop: (key, applies) => stopTurns(deps.store, key, applies),
    move: (from, to, atMs) => acceptMove(deps, from, to, atMs),
    clock: systemClock,
    // Another agent folder has others.
    commands: owner?.settings.agentFolder == null ? (given.commands ?? []) : [],
    log: deps.log,
  };
}

export interface Webhook {
  readonly channel: ChannelDescriptor;
  /** What fails is tried again at the next request. */
  readonly open: () => Promise<WebhookHandler>;
}

/** Its `fetch` rejects when a channel cannot be opened: whoever serves it says so in its own way. */
export function createInletApp(webhooks: readonly Webhook[]): Hono {
  const app = new Hono();
  app.onError((error) => {
    throw error;
  });
  app.notFound(() => new Response(null, { status: 404 }));
  for (const { channel, open } of webhooks) {
    const opened = once(open);
    const methods = new Map<string, string[]>();
    for (const { method, path } of channel.webhook?.routes ?? []) {
      const full = `/${channel.name}${path}`;
      methods.set(full, [...(methods.get(full) ?? []), method]);
      app.on(method, full, async (context) => (await opened())(context.req.raw));
    }
    for (const [path, allowed] of methods) {
      app.all(path, () => new Response(null, { status: 405, headers: { allow: allowed.join(', ') } }));
    }
  }
  return app;
}
