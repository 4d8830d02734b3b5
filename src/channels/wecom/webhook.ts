// The callback of a WeCom AI bot, as a fetch-style handler: JSON, encrypted and signed. It acknowledges a message only after
// its turn is in the durable queue; else it answers 503 (ACKED). Fixed answers ride in the response and use up no address.
import { randomBytes } from 'node:crypto';
import { readBody } from '../../bounded-body.ts';
import { Invalid } from '../../core/errors.ts';
import { OverLimit } from '../../core/limits.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports.ts';
import { NotServed } from '../../core/standing.ts';
import {
  type CallbackKeys,
  decryptCallback,
  encryptAnswer,
  isFresh,
  isSigned,
} from '../tencent/encrypted-callback.ts';
import { type MessagePolicy, parseMessage } from './parse-message.ts';

export interface WecomWebhookOptions {
  readonly policy: MessagePolicy;
  readonly token: string;
  readonly aesKey: string;
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

const MAX_BODY_BYTES = 512_000;
const MAX_BODY_MS = 4_000;
const CANNOT_ACCEPT = 'I cannot take this message. Please write it differently. 无法处理这条消息。';
const NEVER_ACCEPTED = new Set(['bad-message', 'idempotency-mismatch']);
/** Strangers remembered at most. */
const MEMORY = 500;

export function createWecomWebhook(options: WecomWebhookOptions): (request: Request) => Promise<Response> {
  const { policy, token, aesKey, clock, log } = options;
  // A bot of one company's own: WeCom names no receiver.
  const keys: CallbackKeys = { token, aesKey, receiver: '' };
  const strangers = new Set<string>();
  if (policy.allowedUsers.length === 0) log('warn', 'wecom-nobody-allowed', { bot: policy.botId });

  return async (request) => {
    const query = new URL(request.url).searchParams;
    const [timestamp, nonce] = [query.get('timestamp'), query.get('nonce')];
    const signed = { signature: query.get('msg_signature'), timestamp, nonce };
    if (!isFresh(timestamp, clock.now())) return status(401);
    if (request.method === 'GET') {
      const asked = query.get('echostr') ?? '';
      if (!isSigned(token, signed, asked)) return status(401);
      const word = open(asked);
      return word === null ? status(400) : new Response(word, { headers: TEXT });
    }
    const body = await readBody(request, { maxBytes: MAX_BODY_BYTES, maxMs: MAX_BODY_MS });
    if (body === 'too-large') return status(413);
    if (body === 'too-slow') return status(408);
    const { encrypt: encrypted } = parseJson(new TextDecoder().decode(body));
    if (typeof encrypted !== 'string' || !isSigned(token, signed, encrypted)) return status(401);
    const text = open(encrypted);
    if (text === null) return status(400);
    try {
      const answer = await take(parseJson(text));
      return answer === null ? status(200) : sealed(answer);
    } catch (error) {
      log('error', 'wecom-webhook-failed', errorFields(error));
      return new Response(null, { status: 503, headers: { 'retry-after': '1' } });
    }
  };

  function open(encrypted: string): string | null {
    try {
      return decryptCallback(keys, encrypted);
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      log('warn', 'wecom-not-decrypted', errorFields(error));
      return null;
    }
  }

  /** What is to be said at once, if anything. */
  async function take(raw: unknown): Promise<object | null> {
    const parsed = parseMessage(raw, policy, clock.now());
    if (parsed.kind === 'turn') return await acceptTurn(parsed.request);
    if (parsed.kind === 'reply') return wholeStream(parsed.id, parsed.text);
    if (parsed.kind === 'greeting') return { msgtype: 'text', text: { content: parsed.text } };
    const { reason, userId } = parsed;
    if (reason !== 'not-allowed') log('debug', 'wecom-ignored', { reason });
    else if (userId !== null && !strangers.has(userId) && strangers.size < MEMORY) {
      strangers.add(userId);
      log('warn', 'wecom-sender-not-allowed', { bot: policy.botId, sender: userId });
    }
    return null;
  }

  async function acceptTurn(request: TurnRequest): Promise<object | null> {
    const tell = (text: string) => wholeStream(request.turnId, text);
    try {
      await options.accept(request);
      return null;
    } catch (error) {
      if (error instanceof NotServed) return tell(error.message);
      if (error instanceof OverLimit) {
        if (error.tell) log('warn', 'over-limit', { turn: request.turnId, ...errorFields(error) });
        return error.tell ? tell(error.message) : null;
      }
      if (!(error instanceof Invalid && NEVER_ACCEPTED.has(error.code))) throw error;
      log('error', 'wecom-message-refused', { turn: request.turnId, ...errorFields(error) });
      return tell(CANNOT_ACCEPT);
    }
  }

  function sealed(answer: object): Response {
    const nonce = randomBytes(8).toString('hex');
    const made = encryptAnswer(keys, JSON.stringify(answer), { nowMs: clock.now(), nonce });
    const { encrypted: encrypt, signature: msgsignature, timestamp } = made;
    return Response.json({ encrypt, msgsignature, timestamp: Number(timestamp), nonce });
  }
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8' };

/** A stream that is whole at once: what WeCom takes in answer to a message. */
function wholeStream(id: string, content: string): object {
  return { msgtype: 'stream', stream: { id, finish: true, content } };
}

function status(code: number): Response {
  return new Response(null, { status: code });
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
