// A WeCom AI bot on loopback: people write to it and send files, WeCom calls back (JSON, encrypted and signed), and each call
// brings an address that takes one answer within an hour. Files lie encrypted at addresses that are good for five minutes.
// What it does not do: cards, and streams that are asked for again.
import '../../src/node-version.ts';

import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decrypt, encrypt, encryptBytes } from '../wechat/callback.ts';

export type AnswerFault = 'cut-before' | 'cut-after' | 'busy' | 'too-fast';

export interface FakeWecomOptions {
  readonly callback?: () => string;
  readonly clock?: { now(): number };
}

export interface Signed {
  readonly query: URLSearchParams;
  readonly body: string;
}

export interface FakeWecom {
  readonly apiRoot: string;
  readonly bot: { readonly botId: string; readonly token: string; readonly aesKey: string };
  /** What was seen in the chat with this person, or in this group (`group:ID`). */
  chat(name: string): readonly string[];
  /** Every answer in order, with the code it was met with. */
  readonly calls: readonly { readonly errcode: number }[];
  fail(kind: AnswerFault, options?: { readonly after?: number; readonly times?: number }): void;
  /** Strikes that are still to come; they are forgotten. */
  strikesLeft(): number;
  /** A callback's payload, with an address for the answer. */
  payload(userId: string, fields: object): string;
  /** As WeCom would call with it now. */
  callOf(payload: string): Signed;
  /** Brings a payload to the callback; resolves to its status. */
  bring(payload: string): Promise<number>;
  say(userId: string, text: string): Promise<{ readonly payload: string; readonly status: number }>;
  /** Keeps a file for five minutes; its address. */
  keepFile(bytes: Uint8Array): string;
  /** The person sends a picture, a file or a film, alone. */
  sendFile(userId: string, kind: 'image' | 'file' | 'video', bytes: Uint8Array): Promise<number>;
  /** Addresses that were given out take nothing any more. */
  endAddresses(): void;
  close(): Promise<void>;
}

interface Address {
  readonly chat: string;
  readonly untilMs: number;
  used: boolean;
}

const HOUR_MS = 3_600_000;
const FILE_MS = 5 * 60_000;
const MAX_CONTENT_BYTES = 20_480;

export async function startFakeWecom(options: FakeWecomOptions = {}): Promise<FakeWecom> {
  const { clock = Date } = options;
  const bot = {
    botId: 'aibFakeBot-01',
    token: 'callbackToken0123',
    aesKey: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
  };
  const key = Buffer.from(`${bot.aesKey}=`, 'base64');
  const chats = new Map<string, string[]>();
  const addresses = new Map<string, Address>();
  const files = new Map<string, { readonly encrypted: Uint8Array; readonly untilMs: number }>();
  const calls: { errcode: number }[] = [];
  let strikes: (AnswerFault | null)[] = [];
  let messages = 0;
  const see = (chat: string, text: string) => void chats.set(chat, [...(chats.get(chat) ?? []), text]);

  function answerTo(code: string, body: Record<string, unknown>): { errcode: number; errmsg: string } {
    const address = addresses.get(code);
    const content = (body.markdown as { content?: unknown } | undefined)?.content;
    if (!address || address.used || address.untilMs <= clock.now()) {
      return { errcode: 60140, errmsg: 'invalid or used response_url' };
    }
    if (body.msgtype !== 'markdown' || typeof content !== 'string' || content.trim() === '') {
      return { errcode: 40008, errmsg: 'invalid message type' };
    }
    if (Buffer.byteLength(content) > MAX_CONTENT_BYTES) return { errcode: 45002, errmsg: 'content too long' };
    address.used = true;
    see(address.chat, content);
    return { errcode: 0, errmsg: 'ok' };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const url = new URL(request.url ?? '/', 'http://wecom');
    if (url.pathname.startsWith('/media/')) return serveFile(url.pathname, response);
    const fault = strikes.shift();
    if (fault === 'cut-before') {
      calls.push({ errcode: -1 });
      return void request.socket.destroy();
    }
    const code = url.searchParams.get('response_code') ?? '';
    const answer =
      fault === 'busy'
        ? { errcode: -1, errmsg: 'system busy' }
        : fault === 'too-fast'
          ? { errcode: 45009, errmsg: 'api freq out of limit' }
          : answerTo(code, JSON.parse(Buffer.concat(parts).toString('utf8') || '{}'));
    calls.push({ errcode: answer.errcode });
    if (fault === 'cut-after') return void request.socket.destroy();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  function serveFile(path: string, response: ServerResponse): void {
    const file = files.get(path);
    if (!file || file.untilMs <= clock.now()) return void response.writeHead(403).end('<Error/>');
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(file.encrypted);
  }

  function keepFile(bytes: Uint8Array): string {
    const path = `/media/${randomBytes(16).toString('hex')}`;
    files.set(path, { encrypted: encryptBytes(key, bytes), untilMs: clock.now() + FILE_MS });
    return `${apiRoot}${path}?sign=q-sign-algorithm%3Dsha1`;
  }

  const server = createServer((request, response) => {
    void serve(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const apiRoot = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  function payload(userId: string, fields: object): string {
    messages += 1;
    const code = randomBytes(16).toString('hex');
    const group = (fields as { chatid?: string }).chatid;
    addresses.set(code, {
      chat: group === undefined ? userId : `group:${group}`,
      untilMs: clock.now() + HOUR_MS,
      used: false,
    });
    return JSON.stringify({
      msgid: `CAIQ${String(messages).padStart(8, '0')}`,
      aibotid: bot.botId,
      chattype: group === undefined ? 'single' : 'group',
      from: { userid: userId },
      response_url: `${apiRoot}/cgi-bin/aibot/response?response_code=${code}`,
      ...fields,
    });
  }

  function callOf(text: string): Signed {
    const timestamp = String(Math.floor(clock.now() / 1_000));
    const nonce = String(randomBytes(4).readUInt32BE());
    const encrypted = encrypt(key, '', text);
    const query = new URLSearchParams({
      msg_signature: sha1(bot.token, timestamp, nonce, encrypted),
      timestamp,
      nonce,
    });
    return { query, body: JSON.stringify({ encrypt: encrypted }) };
  }

  async function bring(text: string): Promise<number> {
    const { query, body } = callOf(text);
    const response = await fetch(`${options.callback?.()}?${query}`, { method: 'POST', body });
    const said = await response.text();
    const { from, chatid } = JSON.parse(text);
    if (response.status === 200 && said !== '') {
      see(chatid === undefined ? from.userid : `group:${chatid}`, answerIn(said));
    }
    return response.status;
  }

  function answerIn(said: string): string {
    const { encrypt: encrypted, msgsignature, timestamp, nonce } = JSON.parse(said);
    if (msgsignature !== sha1(bot.token, String(timestamp), nonce, encrypted)) {
      throw new Error('The answer is signed wrongly.');
    }
    const answer = JSON.parse(decrypt(key, '', encrypted));
    return answer.msgtype === 'text' ? answer.text.content : answer.stream.content;
  }

  return {
    apiRoot,
    bot,
    chat: (name) => chats.get(name) ?? [],
    calls,
    fail(kind, { after = 0, times = 1 } = {}) {
      strikes = [...Array<null>(after).fill(null), ...Array<AnswerFault>(times).fill(kind)];
    },
    strikesLeft() {
      const left = strikes.filter((one) => one !== null).length;
      strikes = [];
      return left;
    },
    payload,
    callOf,
    bring,
    async say(userId, text) {
      const said = payload(userId, { msgtype: 'text', text: { content: text } });
      return { payload: said, status: await bring(said) };
    },
    keepFile,
    sendFile: (userId, kind, bytes) =>
      bring(payload(userId, { msgtype: kind, [kind]: { url: keepFile(bytes) } })),
    endAddresses: () => addresses.clear(),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function sha1(...parts: string[]): string {
  return createHash('sha1').update(parts.sort().join('')).digest('hex');
}
