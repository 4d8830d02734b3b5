// A stateful WeChat account on loopback: the token endpoint, customer-service messages, temporary media and typing as
// documented, with their error codes, and people who write to it, whose messages it brings to a callback: signed, plain or
// encrypted, three times when no answer comes. It counts what may be sent, and forgets tokens and media when their time is
// over. What it does not do: films, menus as such (only their clicks), and templates.
//
//   const wechat = await startFakeWechat({ callback: () => `${url}/wechat` });
//   await wechat.say('oAnna', 'hello');       // a person writes
//   wechat.chat('oAnna');                     // what they see in answer
//   wechat.faults.push('cut-after');          // the next send arrives, and nobody learns of it
//   await wechat.close();
import '../../src/node-version.ts';

import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Callback, type CallbackOptions, createCallback } from './callback.ts';
import { createMediaShelf, type KeptMedia } from './media-shelf.ts';
import { createQuotas } from './quotas.ts';
import { createTokens } from './tokens.ts';

export type SendFault = 'cut-before' | 'cut-after' | 'busy' | 'too-fast';

export interface FakeWechatOptions {
  /** Where messages are brought to; asked at each one. */
  readonly callback?: () => string;
  readonly token?: string;
  /** null: plain mode. */
  readonly aesKey?: string | null;
  readonly clock?: { now(): number };
  /** How long a callback may take; the real one waits five seconds. Longer where a busy machine is not what is tested. */
  readonly answerMs?: number;
}

export interface FakeWechat {
  readonly apiRoot: string;
  readonly account: {
    readonly appId: string;
    readonly appSecret: string;
    readonly token: string;
    readonly aesKey: string | null;
  };
  /** What the next sends meet, in order. */
  readonly faults: SendFault[];
  /** Strikes `times` calls of any kind (default 1) after `after` more went well. */
  fail(kind: SendFault, options?: { readonly after?: number; readonly times?: number }): void;
  /** Strikes that are still to come; they are forgotten. */
  strikesLeft(): number;
  /** Every call in order: what was asked, and the code of the answer. */
  readonly calls: readonly { readonly method: string; readonly errcode: number }[];
  /** What this person sees of the account, in order. */
  chat(openId: string): readonly string[];
  /** The person writes; resolves once WeChat has given up or was answered. */
  say(openId: string, text: string): Promise<Delivered>;
  /** A message of any kind: `fields` stand beside who, when and which. */
  send(openId: string, fields: Readonly<Record<string, string>>): Promise<Delivered>;
  click(openId: string, key: string): Promise<Delivered>;
  /** The person sends a picture or a voice message; `fields` stand beside. */
  sendMedia(
    openId: string,
    media: Pick<KeptMedia, 'kind' | 'mediaType' | 'bytes'>,
    fields?: Readonly<Record<string, string>>,
  ): Promise<Delivered>;
  /** Keeps a file as if somebody had sent it; its id. */
  keepMedia(media: KeptMedia): string;
  /** Pictures and voice that this person got, in order; in `chat` each stands as `[image]` or `[voice]`. */
  media(openId: string): readonly KeptMedia[];
  /** Brings a message again, as after a lost answer. */
  repeat(delivered: Delivered): Promise<Delivered>;
  /** As it would be called with this text: the query and the body, signed now. */
  callOf(xml: string): { readonly query: URLSearchParams; readonly body: string };
  messageOf(openId: string, fields: Readonly<Record<string, string>>): string;
  /** The person wrote; the message itself is brought by the caller. */
  wrote(openId: string): void;
  unfollow(openId: string): void;
  /** As when somebody else took a token the old way: what was handed out is not valid any more. */
  forgetTokens(): void;
  close(): Promise<void>;
}

export interface Delivered {
  readonly xml: string;
  /** Of the last try; null when nothing answered. */
  readonly status: number | null;
  readonly tries: number;
}

type Answer = Readonly<Record<string, unknown>> & { readonly errcode: number };

/** What people see when an account did not answer. */
export const OUT_OF_SERVICE = '该公众号提供的服务出现故障，请稍后再试';
const MAX_CONTENT_BYTES = 2_048;

export async function startFakeWechat(options: FakeWechatOptions = {}): Promise<FakeWechat> {
  const { clock = Date } = options;
  const account = {
    appId: 'wx0123456789abcdef',
    appSecret: 'f0e1d2c3b4a5968778695a4b3c2d1e0f',
    token: options.token ?? 'callbackToken0123',
    aesKey: options.aesKey === undefined ? 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG' : options.aesKey,
  };
  const tokens = createTokens(account, clock);
  const quotas = createQuotas(clock);
  const shelf = createMediaShelf(clock);
  const got = new Map<string, KeptMedia[]>();
  const faults: SendFault[] = [];
  const calls: { method: string; errcode: number }[] = [];
  let strikes: (SendFault | null)[] = [];
  const chats = new Map<string, string[]>();
  const typingAt = new Map<string, number>();
  const wroteAt = new Map<string, number>();
  let lastId = 24_000_000_000_000_000n;

  const callbackOptions: CallbackOptions = {
    ...account,
    url: options.callback ?? (() => 'http://127.0.0.1:9/wechat'),
    clock,
    answerMs: options.answerMs ?? 5_000,
  };
  const callback: Callback = createCallback(callbackOptions);
  const see = (openId: string, text: string) => {
    chats.set(openId, [...(chats.get(openId) ?? []), text]);
  };

  function sendMessage(body: Record<string, unknown>): Answer {
    const openId = String(body.touser ?? '');
    const kind = String(body.msgtype);
    if (!/^[\w-]{3,128}$/.test(openId)) return refusal(40003, 'invalid openid');
    if (kind !== 'text' && kind !== 'image' && kind !== 'voice')
      return refusal(40008, 'invalid message type');
    const { content, media_id: mediaId } = (body[kind] ?? {}) as { content?: unknown; media_id?: unknown };
    const media = kind === 'text' ? null : shelf.find(String(mediaId));
    if (kind !== 'text' && media?.kind !== kind) return refusal(40007, 'invalid media_id');
    if (kind === 'text' && (typeof content !== 'string' || content.trim() === ''))
      return refusal(44004, 'empty content');
    if (Buffer.byteLength(String(content)) > MAX_CONTENT_BYTES)
      return refusal(45002, 'content size out of limit');
    const refused = quotas.take(openId);
    if (refused !== null) return refusal(refused, refused === 45015 ? OUT_OF_TIME : OUT_OF_QUOTA);
    if (media) got.set(openId, [...(got.get(openId) ?? []), media]);
    see(openId, media ? `[${kind}]` : String(content));
    return { errcode: 0, errmsg: 'ok' };
  }

  /** What is no JSON call: files to the account and from it. */
  async function serveMedia(method: string, query: URLSearchParams, request: IncomingMessage) {
    const refused = tokens.check(query.get('access_token'));
    if (refused) return refused;
    if (method === 'media/get')
      return shelf.find(query.get('media_id')) ?? refusal(40007, 'invalid media_id');
    const headers = { 'content-type': request.headers['content-type'] ?? '' };
    const form = await new Response(Buffer.from(await readBytes(request)), { headers }).formData();
    const kept = await shelf.upload(query.get('type'), form);
    if ('errcode' in kept) return refusal(kept.errcode, kept.errmsg);
    const createdAt = Math.floor(clock.now() / 1_000);
    return { errcode: 0, type: query.get('type'), media_id: kept.mediaId, created_at: createdAt };
  }

  function sendTyping(body: Record<string, unknown>): Answer {
    const openId = String(body.touser ?? '');
    if (body.command !== 'Typing' && body.command !== 'CancelTyping')
      return refusal(45072, 'invalid command');
    if (clock.now() - (wroteAt.get(openId) ?? 0) > 30_000) {
      return refusal(45080, 'must have interaction within 30s');
    }
    if (clock.now() - (typingAt.get(openId) ?? 0) < 15_000) return refusal(45081, 'already in typing');
    typingAt.set(openId, clock.now());
    return { errcode: 0, errmsg: 'ok' };
  }

  function answerTo(method: string, query: URLSearchParams, body: Record<string, unknown>): Answer {
    if (method === 'stable_token') return tokens.stable(body);
    const refused = tokens.check(query.get('access_token'));
    if (refused) return refused;
    if (method === 'message/custom/send') return sendMessage(body);
    if (method === 'message/custom/typing') return sendTyping(body);
    return refusal(40066, 'invalid url');
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://wechat');
    const method = url.pathname.replace('/cgi-bin/', '');
    const isMedia = method === 'media/get' || method === 'media/upload';
    const body = isMedia ? {} : ((await readJson(request)) as Record<string, unknown>);
    const fault = strikes.shift() ?? (method === 'message/custom/send' ? faults.shift() : undefined);
    if (fault === 'cut-before') {
      calls.push({ method, errcode: -1 });
      return void request.socket.destroy();
    }
    const refused = fault === 'busy' ? refusal(-1, 'system error') : null;
    const slowed = fault === 'too-fast' ? refusal(45011, 'api minute-quota reach limit') : null;
    const answer =
      refused ??
      slowed ??
      (isMedia
        ? await serveMedia(method, url.searchParams, request)
        : answerTo(method, url.searchParams, body));
    calls.push({ method, errcode: 'bytes' in answer ? 0 : answer.errcode });
    if (fault === 'cut-after') return void request.socket.destroy();
    if ('bytes' in answer) {
      const { mediaType, name, bytes } = answer as KeptMedia;
      const disposition = `attachment; filename="${name}"`;
      response.writeHead(200, { 'content-type': mediaType, 'content-disposition': disposition });
      return void response.end(bytes);
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  const server = createServer((request, response) => {
    void serve(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  async function bring(openId: string, xml: string): Promise<Delivered> {
    const { status, tries, reply } = await callback.bring(xml);
    if (reply !== null && reply.openId === openId) see(openId, reply.text);
    if (status !== 200) see(openId, OUT_OF_SERVICE);
    return { xml, status, tries };
  }

  function fieldsOf(openId: string, fields: Readonly<Record<string, string>>) {
    return {
      ToUserName: 'gh_0123456789ab',
      FromUserName: openId,
      CreateTime: String(Math.floor(clock.now() / 1_000)),
      ...fields,
    };
  }

  async function send(openId: string, fields: Readonly<Record<string, string>>): Promise<Delivered> {
    lastId += 1n;
    quotas.wrote(openId);
    wroteAt.set(openId, clock.now());
    return await bring(openId, callback.xmlOf({ ...fieldsOf(openId, fields), MsgId: String(lastId) }));
  }

  return {
    apiRoot: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    account,
    faults,
    calls,
    fail(kind, { after = 0, times = 1 } = {}) {
      strikes = [...Array<null>(after).fill(null), ...Array<SendFault>(times).fill(kind)];
    },
    strikesLeft() {
      const left = strikes.filter((one) => one !== null).length;
      strikes = [];
      return left;
    },
    callOf: (xml) => callback.signed(xml),
    messageOf: (openId, fields) => callback.xmlOf(fieldsOf(openId, fields)),
    wrote(openId) {
      quotas.wrote(openId);
      wroteAt.set(openId, clock.now());
    },
    chat: (openId) => chats.get(openId) ?? [],
    say: (openId, text) => send(openId, { MsgType: 'text', Content: text }),
    send,
    async click(openId, key) {
      quotas.clicked(openId);
      wroteAt.set(openId, clock.now());
      const fields = { MsgType: 'event', Event: 'CLICK', EventKey: key };
      return await bring(openId, callback.xmlOf(fieldsOf(openId, fields)));
    },
    repeat: ({ xml }) => bring('', xml),
    async sendMedia(openId, media, fields = {}) {
      const kept = shelf.keep({ ...media, name: `${media.kind}.bin` });
      return await send(openId, {
        MsgType: media.kind,
        ...(media.kind === 'image' ? { PicUrl: 'http://mmbiz.test/picture' } : { Format: 'amr' }),
        MediaId: kept,
        ...fields,
      });
    },
    keepMedia: (media) => shelf.keep(media),
    media: (openId) => got.get(openId) ?? [],
    unfollow: (openId) => quotas.forget(openId),
    forgetTokens: () => tokens.forget(),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const OUT_OF_TIME = 'response out of time limit or subscription is canceled';
const OUT_OF_QUOTA = 'out of response count limit';

/** With the hint that the real ones end in. */
function refusal(errcode: number, errmsg: string): Answer {
  return { errcode, errmsg: `${errmsg} rid: ${randomBytes(8).toString('hex')}` };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  return JSON.parse((await readBytes(request)).toString('utf8') || '{}');
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
