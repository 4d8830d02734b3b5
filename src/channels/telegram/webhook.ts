// The webhook, as a fetch-style handler that any ingress can mount. It answers 200 only after the turn is in the
// durable queue; a queue that fails is a 503, and Telegram sends the update again (ACKED). Fixed answers ride in
// the response's body, so the ingress needs no bot token.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readBody } from '../../bounded-body.ts';
import { systemClock } from '../../core/clock.ts';
import { Invalid } from '../../core/errors.ts';
import { errorFields, type Log, silentLog } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports.ts';
import type { BotIdentity } from './api.ts';
import { asMethod } from './fixed-reply.ts';
import { createInlet, type MoveConversation, type StopTurns } from './inlet.ts';
import type { UpdatePolicy } from './parse-update.ts';

export interface TelegramWebhookOptions {
  /** What Telegram was given as `secret_token`. Without one the webhook refuses to start. */
  readonly secret: string;
  /** Secrets of before, while they are changed. */
  readonly alsoAccepted?: readonly string[];
  readonly bot: BotIdentity;
  readonly policy: UpdatePolicy;
  /** Resolves once the turn is durable in the queue. */
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly stop: StopTurns;
  readonly move: MoveConversation;
  readonly clock?: Clock;
  readonly log?: Log;
}

const SECRET_HEADER = 'x-telegram-bot-api-secret-token';
const SECRET_SHAPE = /^[A-Za-z0-9_-]{16,256}$/;
/** An update is a few kilobytes; a message of 4,096 characters with every entity stays far below. */
const MAX_BODY_BYTES = 1_000_000;
const MAX_BODY_MS = 20_000;

/** Constant time in the secret. Headers as `Headers` or as a plain object with lower-case names. */
export function verifyWebhook(headers: Headers | Readonly<Record<string, unknown>>, secret: string): boolean {
  const given = headers instanceof Headers ? headers.get(SECRET_HEADER) : headers[SECRET_HEADER];
  if (typeof given !== 'string' || secret === '') return false;
  return timingSafeEqual(digest(given), digest(secret));
}

/** Throws `Invalid('no-webhook-secret')` when the secret is missing, short or malformed. */
export function createTelegramWebhook(
  options: TelegramWebhookOptions,
): (request: Request) => Promise<Response> {
  const { secret, alsoAccepted = [], clock = systemClock, log = silentLog } = options;
  const accepted = [secret ?? '', ...alsoAccepted];
  if (!accepted.every((one) => SECRET_SHAPE.test(one))) {
    throw new Invalid('no-webhook-secret', 'The Telegram webhook has no usable secret.', {
      advice: 'Set a secret of 16 to 256 characters out of A-Z, a-z, 0-9, _ and -.',
    });
  }
  const inlet = createInlet({ ...options, log });

  return async (request) => {
    if (request.method !== 'POST') return new Response(null, { status: 405, headers: { allow: 'POST' } });
    // Each is compared, so that the time tells nothing about which one it was.
    const matches = accepted.map((one) => verifyWebhook(request.headers, one));
    if (!matches.includes(true)) return new Response(null, { status: 401 });
    const body = await readBody(request, { maxBytes: MAX_BODY_BYTES, maxMs: MAX_BODY_MS });
    if (body === 'too-large') return new Response(null, { status: 413 });
    if (body === 'too-slow') return new Response(null, { status: 408 });
    const update = parseJson(new TextDecoder().decode(body));
    if (update === undefined) return new Response(null, { status: 400 });
    try {
      const reply = await inlet.take(update, clock.now());
      return reply ? Response.json(asMethod(reply)) : new Response(null, { status: 200 });
    } catch (error) {
      log('error', 'telegram-webhook-failed', errorFields(error));
      return new Response(null, { status: 503, headers: { 'retry-after': '1' } });
    }
  };
}

function parseJson(body: string): unknown {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && 'update_id' in value ? value : undefined;
  } catch {
    return undefined;
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
