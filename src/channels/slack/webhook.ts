// The request URL of the app, as a fetch-style handler that any ingress can mount. It checks the signature over the raw
// body before it reads anything, and answers 200 only after the turn is in the durable queue; a queue that fails is a 503,
// and Slack sends the event again: at once, after a minute, after five (ACKED).
import { readBody } from '../../bounded-body.ts';
import { systemClock } from '../../core/clock.ts';
import { Invalid } from '../../core/errors.ts';
import { errorFields, type Log, silentLog } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports.ts';
import type { SlackIdentity } from './identity.ts';
import { createInlet, ephemeral } from './inlet.ts';
import type { EventPolicy } from './parse-event.ts';
import { isSigned } from './signature.ts';

export interface SlackWebhookOptions {
  readonly signingSecret: string;
  /** Secrets of before, while they are changed. */
  readonly alsoAccepted?: readonly string[];
  readonly app: SlackIdentity;
  readonly policy: EventPolicy;
  /** Resolves once the turn is durable in the queue. */
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly clock?: Clock;
  readonly log?: Log;
}

const MAX_BODY_BYTES = 1_000_000;
const MAX_BODY_MS = 20_000;

/** Throws `Invalid('no-signing-secret')` when there is nothing to check signatures with. */
export function createSlackWebhook(options: SlackWebhookOptions): (request: Request) => Promise<Response> {
  const { signingSecret, alsoAccepted = [], clock = systemClock, log = silentLog } = options;
  if (!signingSecret) {
    throw new Invalid('no-signing-secret', 'The Slack webhook has no signing secret.', {
      advice: 'Copy it from "Basic Information" of the app\'s settings.',
    });
  }
  const secrets = [signingSecret, ...alsoAccepted];
  const inlet = createInlet({ ...options, log });

  return async (request) => {
    const body = await readBody(request, { maxBytes: MAX_BODY_BYTES, maxMs: MAX_BODY_MS });
    if (body === 'too-large') return new Response(null, { status: 413 });
    if (body === 'too-slow') return new Response(null, { status: 408 });
    const now = clock.now();
    if (!isSigned({ headers: request.headers, body }, secrets, now))
      return new Response(null, { status: 401 });
    const posted = read(new TextDecoder().decode(body));
    if (posted === undefined) return new Response(null, { status: 400 });
    if (isAddressCheck(posted)) return Response.json({ challenge: posted.challenge });
    try {
      const said = await inlet.take(posted, now);
      return said === null ? new Response(null, { status: 200 }) : Response.json(ephemeral(said));
    } catch (error) {
      log('error', 'slack-webhook-failed', errorFields(error));
      return new Response(null, { status: 503, headers: { 'retry-after': '1' } });
    }
  };
}

/** Slack asks once, when the address is typed in, whether we hear it. */
function isAddressCheck(event: object): event is { challenge: string } {
  return 'type' in event && event.type === 'url_verification' && 'challenge' in event;
}

/** Events are JSON; presses are JSON in a field of a form; a slash command is a form. */
function read(body: string): object | undefined {
  if (body.startsWith('{')) return parseJson(body);
  const form = new URLSearchParams(body);
  return form.has('command') ? Object.fromEntries(form) : parseJson(form.get('payload') ?? '');
}

function parseJson(body: string): object | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
