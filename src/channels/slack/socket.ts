// Socket Mode: we connect to Slack, and it sends events down that connection, so a system behind a router is heard. An event
// is acknowledged only after its turn is durable in the queue; one that is not, Slack sends again (ACKED). A connection
// that ends is made anew, by us: the library's own reconnecting leaves a failure that nobody handles when the network is
// away. Slack ends each one after some hours.
import { WebAPIPlatformError } from '@slack/web-api';
import { backoffMs } from '../../core/backoff.ts';
import { Invalid } from '../../core/errors.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports.ts';
import { parseAllowList } from './allow-list.ts';
import { createSlackApi, quietLogger } from './api.ts';
import { createInlet, ephemeral, type Inlet } from './inlet.ts';
import { whoAmI } from './who-am-i.ts';

export interface SocketContext {
  readonly settings: {
    readonly token: string;
    readonly appToken: string;
    readonly apiUrl: string;
    readonly allowedUsers: unknown;
    readonly allowedChannels: unknown;
  };
  readonly tenant: string;
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

const AGAIN = { firstMs: 500, maxMs: 60_000 };
/** What held so long was a good connection: its end is no failure. */
const WORKED_MS = 30_000;
/** Slack's answer to our good-bye is not waited for longer. */
const GOODBYE_MS = 1_000;
const TOKEN_ERRORS = new Set(['invalid_auth', 'not_authed', 'not_allowed_token_type', 'account_inactive']);

/** Runs until `signal` aborts; rejects with `Invalid('bad-token')` when going on is no use. */
export async function listenToSlack(context: SocketContext, signal: AbortSignal): Promise<void> {
  const { settings, tenant, accept, clock, log } = context;
  const app = await whoAmI(createSlackApi(settings), context, signal);
  if (app === null) return;
  const policy = { tenant, allow: parseAllowList(settings.allowedUsers, settings.allowedChannels) };
  const inlet = createInlet({ app, policy, accept, log });
  for (let failures = 0; !signal.aborted; ) {
    const beganMs = clock.now();
    try {
      await connection(context, inlet, signal);
    } catch (error) {
      if (error instanceof Invalid) throw error;
      log('warn', 'slack-socket-failed', errorFields(error));
    }
    failures = clock.now() - beganMs > WORKED_MS ? 1 : failures + 1;
    await clock.sleep(backoffMs(AGAIN, failures), signal);
  }
}

/** One connection, to its end. */
async function connection(context: SocketContext, inlet: Inlet, signal: AbortSignal): Promise<void> {
  const { settings, clock, log } = context;
  // Left out of the functions on Lambda, which never come here: loaded with the module, it would be missing there.
  const { SocketModeClient } = await import('@slack/socket-mode');
  const client = new SocketModeClient({
    appToken: settings.appToken,
    autoReconnectEnabled: false,
    logger: quietLogger,
    clientOptions: { slackApiUrl: settings.apiUrl, retryConfig: { retries: 0 } },
  });
  const ended = new Promise<void>((resolve) => {
    client.on('disconnected', () => resolve());
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  client.on('slack_event', ({ ack, body }: { ack: (answer?: object) => Promise<void>; body: unknown }) => {
    void (async () => {
      try {
        const said = await inlet.take(body, clock.now());
        await (said === null ? ack() : ack(ephemeral(said)));
      } catch (error) {
        log('error', 'slack-socket-event-failed', errorFields(error));
      }
    })();
  });
  try {
    await client.start();
    log('info', 'slack-connected', {});
    await ended;
  } catch (error) {
    if (!(error instanceof WebAPIPlatformError && TOKEN_ERRORS.has(error.data.error))) throw error;
    throw new Invalid('bad-token', `Slack refuses the app-level token: ${error.data.error}.`, {
      advice: 'Make one under "App-Level Tokens" of the app, with the scope connections:write.',
    });
  } finally {
    const left = client.disconnect().catch(() => undefined);
    await Promise.race([left, clock.sleep(GOODBYE_MS)]);
  }
}
