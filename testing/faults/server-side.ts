// What takes messages in, in a fault run: the product's HTTP API and its Telegram webhook (at /telegram), over whichever
// ports the run gives it.
import { createApp } from '../../src/api/app.ts';
import { parseAllowList } from '../../src/channels/telegram/allow-list.ts';
import { createTelegramWebhook } from '../../src/channels/telegram/webhook.ts';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { DEFAULT_TENANT, RETENTION_SEC } from '../../src/core/defaults.ts';
import { silentLog } from '../../src/core/log.ts';
import { acceptMove } from '../../src/core/move-conversation.ts';
import type { Clock, EventLog, ObjectStore, SessionStore, TurnQueue } from '../../src/core/ports.ts';
import { stopTurns } from '../../src/core/stop.ts';
import { openState } from './ports.ts';
import type { Settings } from './settings.ts';

export interface ServerSideOptions {
  readonly name: string;
  readonly store: SessionStore;
  readonly queue: TurnQueue;
  readonly events: EventLog;
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly telegram: Pick<Settings['telegram'], 'secret' | 'token' | 'users'>;
}

export function createServerSide(options: ServerSideOptions): (request: Request) => Promise<Response> {
  const { name, store, queue, events, objects, clock, telegram } = options;
  const deps = { store, queue, retentionSec: RETENTION_SEC };
  const app = createApp({
    ...deps,
    events,
    state: openState(objects),
    clock,
    log: silentLog,
    info: {
      name,
      version: '0',
      model: { demo: false, name: 'stand-in' },
      sandbox: 'none',
      tools: [],
      workers: 0,
    },
    apiKeys: [],
    knownHosts: null,
    openapi: {},
    page: null,
  });
  const webhook = createTelegramWebhook({
    secret: telegram.secret,
    bot: { id: telegram.token.split(':')[0] ?? '', username: 'hybrid_test_bot' },
    policy: { tenant: DEFAULT_TENANT, allow: parseAllowList([...telegram.users]) },
    accept: async (request) => {
      await acceptAndQueue(deps, request);
    },
    stop: (key, applies) => stopTurns(deps.store, key, applies),
    move: (from, to, atMs) => acceptMove(deps, from, to, atMs),
    clock,
    log: silentLog,
  });
  return async (request) =>
    new URL(request.url).pathname === '/telegram' ? await webhook(request) : await app.fetch(request);
}
