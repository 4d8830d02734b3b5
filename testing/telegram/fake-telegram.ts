// A stateful Bot API server on loopback: several bots, chats with topics, long polling and webhooks, the documented
// refusals, and faults on demand (see faults.ts). Use its `apiRoot` where a program takes one. State lives in this
// process; other processes talk to it over HTTP as to the real one, or as people do (person-http.ts). It does not
// enforce Telegram's rate limits by itself, sends no files, and knows rich messages only as Markdown.
//
//   const telegram = await startFakeTelegram();
//   const bot = telegram.addBot({ token: '42:TEST-TOKEN' });
//   bot.say(1001, 'hello');                       // a person writes
//   bot.chat(1001).botTexts;                      // what they see in answer
//   bot.faults.add({ method: 'sendMessage', kind: 'cut-after' });
//   await telegram.close();
import '../../src/node-version.ts';

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BotApiError } from './bot-api-error.ts';
import type { Payload } from './bot-methods.ts';
import { createFakeBot, type FakeBot, type FakeBotOptions, type ServedBot } from './fake-bot.ts';
import type { FaultKind } from './faults.ts';
import { answerPerson } from './person-http.ts';

export interface FakeTelegram {
  /** e.g. `http://127.0.0.1:40123` */
  readonly apiRoot: string;
  addBot(options: FakeBotOptions): FakeBot;
  /** As after `/revoke`: the same bot, and who shows the old token is refused. */
  renewToken(token: string, renewed: string): void;
  close(): Promise<void>;
}

export async function startFakeTelegram(options: { readonly port?: number } = {}): Promise<FakeTelegram> {
  const bots = new Map<string, ServedBot>();
  const server = createServer((request, response) => {
    void serve(bots, request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  return {
    apiRoot: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    addBot(bot) {
      const added = createFakeBot(bot);
      bots.set(bot.token, added);
      return added;
    },
    renewToken(token, renewed) {
      const bot = bots.get(token);
      if (bot) bots.set(renewed, bot);
      bots.delete(token);
    },
    async close() {
      for (const bot of bots.values()) bot.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serve(
  bots: Map<string, ServedBot>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const sent = /^\/file\/bot([^/]+)\/(.+)$/.exec(request.url ?? '');
  if (sent)
    return giveOut(
      bots.get(decodeURIComponent(sent[1] ?? '')),
      decodeURIComponent(sent[2] ?? ''),
      request,
      response,
    );
  const payload = await readPayload(request);
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const person = answerPerson(bots.values(), path, payload);
  if (person) return write(response, person.status, person.body);
  const [, token = '', method = ''] = /^\/bot([^/]+)\/(\w+)/.exec(request.url ?? '') ?? [];
  const bot = bots.get(decodeURIComponent(token));
  if (!bot) return answer(response, errorBody(new BotApiError(401, 'Unauthorized')));

  const rich = payload.rich_message as { markdown?: unknown } | undefined;
  const text = String(payload.text ?? rich?.markdown ?? '');
  const chatId = payload.chat_id === undefined ? null : Number(payload.chat_id);
  const fault = bot.faults.take(method, chatId, text);
  const note = (outcome: string) => bot.noteCall({ method, payload, outcome });

  const early = fault ? refusalOf(fault) : null;
  if (early) {
    note(String(early.status));
    return answer(response, errorBody(early));
  }
  if (fault?.kind === 'cut-before') {
    note('cut-before');
    request.socket.destroy();
    return;
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const body = await carryOut(bot, method, payload, gone.signal);
  note(body.ok ? (fault?.kind ?? 'ok') : String(body.error_code));
  if (fault?.kind === 'cut-after') {
    request.socket.destroy();
    return;
  }
  if (fault?.kind === 'silent') return;
  if (fault?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.ms));
  if (fault?.kind === 'error') answer(response, errorBody(errorOf(fault)));
  else answer(response, body);
}

/** A download; faults of the method `file` hit it. */
function giveOut(
  bot: ServedBot | undefined,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const bytes = bot?.files.at(path);
  const fault = bot?.faults.take('file', null, path);
  bot?.noteCall({ method: 'file', payload: { path }, outcome: fault?.kind ?? (bytes ? 'ok' : '404') });
  if (fault?.kind === 'error') return void response.writeHead(fault.status).end();
  if (fault?.kind === 'cut-before') return void request.socket.destroy();
  if (!bytes) return void response.writeHead(404).end();
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length });
  if (fault?.kind === 'cut-after') {
    response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => request.socket.destroy());
    return;
  }
  response.end(bytes);
}

type Answer =
  | { readonly ok: true; readonly result: unknown }
  | {
      readonly ok: false;
      readonly error_code: number;
      readonly description: string;
      readonly parameters?: unknown;
    };

async function carryOut(
  bot: ServedBot,
  method: string,
  payload: Payload,
  gone: AbortSignal,
): Promise<Answer> {
  try {
    return { ok: true, result: await bot.call(method, payload, gone) };
  } catch (error) {
    if (error instanceof BotApiError) return errorBody(error);
    throw error;
  }
}

/** The refusal a fault gives without carrying the call out. */
function refusalOf(fault: FaultKind): BotApiError | null {
  if (fault.kind === 'rate-limit') {
    const seconds = fault.retryAfterSec;
    return new BotApiError(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
  }
  return fault.kind === 'error' && !fault.applied ? errorOf(fault) : null;
}

function errorOf(fault: Extract<FaultKind, { kind: 'error' }>): BotApiError {
  return new BotApiError(fault.status, fault.description ?? 'Internal Server Error');
}

function errorBody(error: BotApiError): Extract<Answer, { ok: false }> {
  const { status, message, parameters } = error;
  return { ok: false, error_code: status, description: message, ...(parameters ? { parameters } : {}) };
}

function answer(response: ServerResponse, body: Answer): void {
  write(response, body.ok ? 200 : body.error_code, body);
}

function write(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** Files by the names of their fields. */
async function formOf(body: Buffer<ArrayBuffer>, type: string): Promise<Payload> {
  const form = await new Response(body, { headers: { 'content-type': type } }).formData();
  const fields: Payload = {};
  for (const [name, value] of form) {
    fields[name] =
      typeof value === 'string'
        ? value
        : { name: value.name, bytes: new Uint8Array(await value.arrayBuffer()) };
  }
  return fields;
}

/** JSON, a form or query parameters, as the real server takes them. */
async function readPayload(request: IncomingMessage): Promise<Payload> {
  const query = new URL(request.url ?? '/', 'http://localhost').searchParams;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('multipart/form-data')) {
    return { ...Object.fromEntries(query), ...(await formOf(Buffer.concat(chunks), type)) };
  }
  const body = Buffer.concat(chunks).toString('utf8');
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  const fields = isForm
    ? Object.fromEntries(new URLSearchParams(body))
    : body
      ? (JSON.parse(body) as Payload)
      : {};
  return { ...Object.fromEntries(query), ...fields };
}
