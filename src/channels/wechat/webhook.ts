// The callback, as a fetch-style handler. It acknowledges a message only after its turn is in the durable queue, which
// takes far less than the five seconds that WeChat waits; else it answers 503 and WeChat calls again, three times in all
// (ACKED). Fixed answers ride in the response, so they cost nothing of what may be sent, and ingress needs no app secret.
import { randomBytes } from 'node:crypto';
import type { Log } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports.ts';
import { createCallbackInlet, plain, status } from '../tencent/callback-inlet.ts';
import { type CallbackKeys, encryptAnswer, isFresh, isSigned } from '../tencent/encrypted-callback.ts';
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
/** Stops WeChat from calling again, and shows nothing. */
const ACKNOWLEDGED = 'success';

export function createWechatWebhook(options: WechatWebhookOptions): (request: Request) => Promise<Response> {
  const { policy, token, aesKey, accept, clock, log } = options;
  const { appId: bot, allowedUsers } = policy;
  const keys: CallbackKeys | null = aesKey === null ? null : { token, aesKey, receiver: bot };
  const inlet = createCallbackInlet({
    ...{ name: 'wechat', bot, allowedUsers, accept, log },
    maxBodyBytes: MAX_BODY_BYTES,
  });

  return async (request) => {
    const query = new URL(request.url).searchParams;
    const [timestamp, nonce] = [query.get('timestamp'), query.get('nonce')];
    const address = { signature: query.get('signature'), timestamp, nonce };
    if (!isSigned(token, address) || !isFresh(timestamp, clock.now())) return status(401);
    // WeChat asks once, when the address is typed in.
    if (request.method === 'GET') return plain(query.get('echostr') ?? '');
    const body = await inlet.read(request);
    if (body instanceof Response) return body;
    const outer = parseXml(body);
    if (outer === null) return status(400);

    let inner: typeof outer | null = outer;
    if (keys) {
      const { Encrypt: encrypted } = outer;
      const signed = { signature: query.get('msg_signature'), timestamp, nonce };
      // Nothing but the ciphertext is believed: in the mode that is called "compatible" the text stands beside it.
      if (typeof encrypted !== 'string' || !isSigned(token, signed, encrypted)) return status(401);
      const text = inlet.decrypt(keys, encrypted);
      if (text === null) return status(400);
      inner = parseXml(text);
    } else if ('Encrypt' in outer) {
      log('error', 'wechat-encrypted', { advice: 'Set the AES key, or the account to plain mode.' });
      return status(400);
    }
    return await inlet.answer(async () => {
      const parsed = parseMessage(inner, policy, clock.now());
      const text = await take(parsed);
      return text === null || parsed.kind === 'ignore' ? plain(ACKNOWLEDGED) : answer(parsed.parties, text);
    });
  };

  /** What is to be said at once, if anything. */
  async function take(parsed: ParsedMessage): Promise<string | null> {
    if (parsed.kind === 'reply') return parsed.text;
    if (parsed.kind === 'turn') return await inlet.take(parsed.request);
    inlet.turnAway(parsed.reason, parsed.openId);
    return null;
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

function asXml(xml: string): Response {
  return new Response(xml, { headers: { 'content-type': 'text/xml; charset=utf-8' } });
}
