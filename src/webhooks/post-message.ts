// Sends one signed message (https://www.standardwebhooks.com). The address comes from whoever has a key, so it is treated as a
// stranger's: only public addresses are connected to, but for those that the installation lists, and the check is on the address
// that the connection is made to, not on a name that may mean another one a moment later. Redirects are answers, not orders.
import { lookup as systemLookup } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import { Webhook as Signer } from 'standardwebhooks';
import type { Clock } from '../core/ports.ts';
import type { DeliveryId, WebhookTry } from '../core/webhooks.ts';
import { NOT_PUBLIC, webhookAddresses } from './webhook-address.ts';

export interface WebhookMessage {
  readonly url: string;
  readonly id: DeliveryId;
  readonly body: string;
  /** Each signs. */
  readonly secrets: readonly string[];
}

export interface PostOptions {
  /** Addresses and networks (`10.1.0.0/16`) that may be connected to although they are private; these without TLS, too. */
  readonly privateAddresses: readonly string[];
  readonly clock: Pick<Clock, 'now'>;
  readonly lookup?: LookupFunction;
  /** @default 15_000 */
  readonly timeoutMs?: number;
}

export interface Posted extends WebhookTry {
  /** Not before this time, as the other side said. */
  readonly retryAfterMs?: number;
}

export type PostMessage = (message: WebhookMessage, signal?: AbortSignal) => Promise<Posted>;

const TIMEOUT_MS = 15_000;

export function signedHeaders(
  { id, body, secrets }: Omit<WebhookMessage, 'url'>,
  nowMs: number,
): Readonly<Record<string, string>> {
  const at = new Date(nowMs);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(nowMs / 1_000)),
    'webhook-signature': secrets.map((secret) => new Signer(secret).sign(id, at, body)).join(' '),
  };
}

export function createPostMessage(options: PostOptions): PostMessage {
  const { clock, timeoutMs = TIMEOUT_MS } = options;
  const { faultOf, isAllowed } = webhookAddresses(options.privateAddresses);

  return async (message, signal) => {
    const atMs = clock.now();
    const done = (status: number | null, fault: string | null, retryAfterMs?: number): Posted => ({
      ...{ atMs, tookMs: Math.max(0, clock.now() - atMs), status, fault },
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
    const url = new URL(message.url);
    const fault = faultOf(url);
    if (fault) return done(null, fault);
    const lookup = guardedLookup(options.lookup ?? (systemLookup as LookupFunction), (address) =>
      isAllowed(url.protocol, address),
    );
    const timeout = AbortSignal.timeout(timeoutMs);
    const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
    try {
      const answer = await send(url, message, { atMs, lookup, signal: either });
      const status = answer.statusCode ?? 0;
      if (status >= 200 && status < 300) return done(status, null);
      const named = Number(answer.headers['retry-after'] ?? Number.NaN);
      return done(status, `It answered ${status}.`, Number.isFinite(named) ? named * 1_000 : undefined);
    } catch (error) {
      return done(null, explain(error));
    }
  };
}

async function send(
  url: URL,
  { body, ...message }: WebhookMessage,
  { atMs, lookup, signal }: { atMs: number; lookup: LookupFunction; signal: AbortSignal },
): Promise<IncomingMessage> {
  const { request } = await (url.protocol === 'https:' ? import('node:https') : import('node:http'));
  return await new Promise((resolve, reject) => {
    const sent = request(url, {
      method: 'POST',
      // One connection, to the address that was looked at.
      agent: false,
      lookup,
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'hybrid-sessions',
        ...signedHeaders({ body, ...message }, atMs),
      },
    });
    sent.on('response', (answer) => {
      // Only the status counts; what else it says is not read.
      answer.on('error', () => {});
      answer.destroy();
      resolve(answer);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Names that mean no allowed address are not found. */
function guardedLookup(lookup: LookupFunction, isAllowed: (address: string) => boolean): LookupFunction {
  return (name, options, callback) => {
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '', 0);
      const addresses = (Array.isArray(found) ? found : []).filter(({ address }) => isAllowed(address));
      const [first] = addresses;
      if (!first) return callback(Object.assign(new Error(NOT_PUBLIC), { code: 'NOT_PUBLIC' }), '', 0);
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** In words for the log; no address of this network. */
function explain(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException;
  if (code === 'NOT_PUBLIC') return NOT_PUBLIC;
  if (name === 'TimeoutError' || code === 'ABORT_ERR') return 'It did not answer in time.';
  return `It could not be reached (${code ?? 'no answer'}).`;
}
