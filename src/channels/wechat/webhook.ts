// The callback, as a fetch-style handler. It acknowledges a message only after its turn is in the durable queue, which
// takes far less than the five seconds that WeChat waits; else it answers 503 and WeChat calls again, three times in all
// (ACKED). Fixed answers ride in the response, so they cost nothing of what may be sent, and ingress needs no app secret.
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
import { type MessagePolicy, type ParsedMessage, type Parties, parseMessage } from './parse-message.ts';
import { buildXml, parseXml } from './xml.ts';

export interface WechatWebhookOptions {
  readonly policy: MessagePolicy;
  readonly token: string;
  /** null: the account is set to plain mode. Then encrypted callbacks are refused, and the other way round. */
  readonly aesKey: string | null;
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

const MAX_BODY_BYTES = 256_000;
const MAX_BODY_MS = 4_000;
/** Stops WeChat from calling again, and shows nothing. */
const ACKNOWLEDGED = 'success';
const CANNOT_ACCEPT = 'I cannot take this message. Please write it differently. 无法处理这条消息。';
const NEVER_ACCEPTED = new Set(['bad-message', 'idempotency-mismatch']);
/** Strangers remembered at most. */
const MEMORY = 500;

export function createWechatWebhook(options: WechatWebhookOptions): (request: Request) => Promise<Response> {
  const { policy, token, aesKey, clock, log } = options;
  const keys: CallbackKeys | null = aesKey === null ? null : { token, aesKey, receiver: policy.appId };
  const strangers = new Set<string>();
  if (policy.allowedUsers.length === 0) log('warn', 'wechat-nobody-allowed', { bot: policy.appId });

  return async (request) => {
    const query = new URL(request.url).searchParams;
    const [timestamp, nonce] = [query.get('timestamp'), query.get('nonce')];
    const address = { signature: query.get('signature'), timestamp, nonce };
    if (!isSigned(token, address) || !isFresh(timestamp, clock.now())) return status(401);
    // WeChat asks once, when the address is typed in.
    if (request.method === 'GET') return plain(query.get('echostr') ?? '');
    const body = await readBody(request, { maxBytes: MAX_BODY_BYTES, maxMs: MAX_BODY_MS });
    if (body === 'too-large') return status(413);
    if (body === 'too-slow') return status(408);
    const outer = parseXml(new TextDecoder().decode(body));
    if (outer === null) return status(400);

    let inner: typeof outer | null = outer;
    if (keys) {
      const { Encrypt: encrypted } = outer;
      const signed = { signature: query.get('msg_signature'), timestamp, nonce };
      // Nothing but the ciphertext is believed: in the mode that is called "compatible" the text stands beside it.
      if (typeof encrypted !== 'string' || !isSigned(token, signed, encrypted)) return status(401);
      try {
        inner = parseXml(decryptCallback(keys, encrypted));
      } catch (error) {
        if (!(error instanceof Invalid)) throw error;
        log('warn', 'wechat-not-decrypted', errorFields(error));
        return status(400);
      }
    } else if ('Encrypt' in outer) {
      log('error', 'wechat-encrypted', { advice: 'Set the AES key, or the account to plain mode.' });
      return status(400);
    }
    try {
      const parsed = parseMessage(inner, policy, clock.now());
      const text = await take(parsed);
      return text === null || parsed.kind === 'ignore' ? plain(ACKNOWLEDGED) : answer(parsed.parties, text);
    } catch (error) {
      log('error', 'wechat-webhook-failed', errorFields(error));
      return new Response(null, { status: 503, headers: { 'retry-after': '1' } });
    }
  };

  /** What is to be said at once, if anything. */
  async function take(parsed: ParsedMessage): Promise<string | null> {
    if (parsed.kind === 'reply') return parsed.text;
    if (parsed.kind === 'turn') return await acceptTurn(parsed.request);
    const { reason, openId } = parsed;
    if (reason !== 'not-allowed') log('debug', 'wechat-ignored', { reason });
    else if (openId !== null && !strangers.has(openId) && strangers.size < MEMORY) {
      strangers.add(openId);
      log('warn', 'wechat-sender-not-allowed', { bot: policy.appId, sender: openId });
    }
    return null;
  }

  async function acceptTurn(request: TurnRequest): Promise<string | null> {
    try {
      await options.accept(request);
      return null;
    } catch (error) {
      if (error instanceof NotServed) return error.message;
      if (error instanceof OverLimit) {
        if (error.tell) log('warn', 'over-limit', { turn: request.turnId, ...errorFields(error) });
        return error.tell ? error.message : null;
      }
      if (!(error instanceof Invalid && NEVER_ACCEPTED.has(error.code))) throw error;
      log('error', 'wechat-message-refused', { turn: request.turnId, ...errorFields(error) });
      return CANNOT_ACCEPT;
    }
  }

  function answer({ openId, account }: Parties, text: string): Response {
    const nowMs = clock.now();
    const xml = buildXml({
      ToUserName: openId,
      FromUserName: account,
      CreateTime: Math.floor(nowMs / 1_000),
      MsgType: 'text',
      Content: text,
    });
    if (!keys) return asXml(xml);
    const nonce = randomBytes(8).toString('hex');
    const { encrypted, signature, timestamp } = encryptAnswer(keys, xml, { nowMs, nonce });
    return asXml(
      buildXml({ Encrypt: encrypted, MsgSignature: signature, TimeStamp: Number(timestamp), Nonce: nonce }),
    );
  }
}

function status(code: number): Response {
  return new Response(null, { status: code });
}

function plain(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'text/plain; charset=utf-8' } });
}

function asXml(xml: string): Response {
  return new Response(xml, { headers: { 'content-type': 'text/xml; charset=utf-8' } });
}
