// The callback of a WeCom AI bot, as a fetch-style handler: JSON, encrypted and signed. It acknowledges a message only after
// its turn is in the durable queue; else it answers 503 (ACKED). Fixed answers ride in the response and use up no address.
import { randomBytes } from 'node:crypto';
import type { Log } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import type { Clock } from '../../core/ports.ts';
import { createCallbackInlet, plain, status } from '../tencent/callback-inlet.ts';
import { type CallbackKeys, encryptAnswer, isFresh, isSigned } from '../tencent/encrypted-callback.ts';
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

export function createWecomWebhook(options: WecomWebhookOptions): (request: Request) => Promise<Response> {
  const { policy, token, aesKey, accept, clock, log } = options;
  const { botId: bot, allowedUsers } = policy;
  // A bot of one company's own: WeCom names no receiver.
  const keys: CallbackKeys = { token, aesKey, receiver: '' };
  const inlet = createCallbackInlet({
    ...{ name: 'wecom', bot, allowedUsers, accept, log },
    maxBodyBytes: MAX_BODY_BYTES,
  });

  return async (request) => {
    const query = new URL(request.url).searchParams;
    const [timestamp, nonce] = [query.get('timestamp'), query.get('nonce')];
    const signed = { signature: query.get('msg_signature'), timestamp, nonce };
    if (!isFresh(timestamp, clock.now())) return status(401);
    if (request.method === 'GET') {
      const asked = query.get('echostr') ?? '';
      if (!isSigned(token, signed, asked)) return status(401);
      const word = inlet.decrypt(keys, asked);
      return word === null ? status(400) : plain(word);
    }
    const body = await inlet.read(request);
    if (body instanceof Response) return body;
    const { encrypt: encrypted } = parseJson(body);
    if (typeof encrypted !== 'string' || !isSigned(token, signed, encrypted)) return status(401);
    const text = inlet.decrypt(keys, encrypted);
    if (text === null) return status(400);
    return await inlet.answer(async () => {
      const answer = await take(parseJson(text));
      return answer === null ? status(200) : sealed(answer);
    });
  };

  /** What is to be said at once, if anything. */
  async function take(raw: unknown): Promise<object | null> {
    const parsed = parseMessage(raw, policy, clock.now());
    if (parsed.kind === 'reply') return wholeStream(parsed.id, parsed.text);
    if (parsed.kind === 'greeting') return { msgtype: 'text', text: { content: parsed.text } };
    if (parsed.kind === 'turn') {
      const told = await inlet.take(parsed.request);
      return told === null ? null : wholeStream(parsed.request.turnId, told);
    }
    inlet.turnAway(parsed.reason, parsed.userId);
    return null;
  }

  function sealed(answer: object): Response {
    const nonce = randomBytes(8).toString('hex');
    const made = encryptAnswer(keys, JSON.stringify(answer), { nowMs: clock.now(), nonce });
    const { encrypted: encrypt, signature: msgsignature, timestamp } = made;
    return Response.json({ encrypt, msgsignature, timestamp: Number(timestamp), nonce });
  }
}

/** A stream that is whole at once: what WeCom takes in answer to a message. */
function wholeStream(id: string, content: string): object {
  return { msgtype: 'stream', stream: { id, finish: true, content } };
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
