// A stateful Slack on loopback: apps in workspaces, channels with threads, signed events with retries, the documented
// refusals, limits on lengths and rates, tokens that expire, and faults on demand. Use its `apiUrl` where a program takes
// one. State lives in this process.
//
//   const slack = await startFakeSlack();
//   const app = slack.addApp({ token: 'xoxb-test' });
//   await app.subscribe(`${url}/slack`);
//   app.say('D0ANNA', 'hello');                  // a person writes
//   app.channel('D0ANNA').botTexts;              // what they see in answer
//   app.faults.add({ method: 'chat.update', kind: 'cut-after' });
//   await slack.close();
import '../../src/node-version.ts';

import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyOf, serveLoopback } from '../aws/loopback.ts';
import type { FaultKind } from '../telegram/faults.ts';
import { createFakeApp, type FakeApp, type FakeAppOptions, type ServedApp } from './fake-app.ts';
import { SlackRateLimit, SlackRefusal } from './slack-refusal.ts';
import { callMethod, type Payload } from './web-methods.ts';

export interface FakeSlack {
  /** e.g. `http://127.0.0.1:40123/api/` */
  readonly apiUrl: string;
  addApp(options: FakeAppOptions): FakeApp;
  close(): Promise<void>;
}

export async function startFakeSlack(): Promise<FakeSlack> {
  const apps = new Map<string, ServedApp>();
  const server = await serveLoopback((request, response) => serve(apps, request, response));
  return {
    apiUrl: `${server.endpoint}/api/`,
    addApp(options) {
      const app = createFakeApp(options, () => server.endpoint);
      apps.set(options.token, app);
      return app;
    },
    async close() {
      for (const { sender } of apps.values()) sender.subscribe(null);
      await server.close();
    },
  };
}

async function serve(
  apps: ReadonlyMap<string, ServedApp>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url ?? '';
  if (path.startsWith('/files-pri/')) return giveOut(apps, request, response);
  if (path.startsWith('/upload/')) return await takeUpload(apps, request, response);
  const payload = Object.fromEntries(new URLSearchParams((await bodyOf(request)).toString('utf8')));
  const method = path.replace(/^\/api\//, '');
  const app = appOf(apps, request);
  if (!app) return answer(response, { ok: false, error: 'invalid_auth' });
  const fault = app.faults.take(method, null, String(payload.text ?? ''));
  if (fault?.kind === 'cut-before') {
    app.note(method, fault.kind);
    request.socket.destroy();
    return;
  }
  const [status, body] = outcomeOf(app, method, payload, fault);
  app.note(method, body.ok === true ? (fault?.kind ?? 'ok') : String(body.error));
  if (fault?.kind === 'cut-after') request.socket.destroy();
  if (fault?.kind === 'cut-after' || fault?.kind === 'silent') return;
  if (fault?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.ms));
  answer(response, body, status);
}

function appOf(apps: ReadonlyMap<string, ServedApp>, { headers }: IncomingMessage): ServedApp | undefined {
  return apps.get(/^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? '');
}

/** Bytes of a file, under `/files-pri/TEAM-FILE/…`. Who may not see them gets a page, and a 200. */
function giveOut(
  apps: ReadonlyMap<string, ServedApp>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const app = appOf(apps, request);
  const fault = app?.faults.take('download', null, '');
  if (fault && fault.kind !== 'cut-after') {
    app?.note('download', fault.kind);
    if (fault.kind === 'error') response.writeHead(fault.status).end();
    else if (fault.kind === 'rate-limit') response.writeHead(429).end();
    else request.socket.destroy();
    return;
  }
  const id = /^\/files-pri\/[^/]*-(F[A-Z0-9]+)\//.exec(request.url ?? '')?.[1] ?? '';
  const found = app?.files.bytesOf(id, app.tokenProblem === null) ?? null;
  app?.note('download', typeof found === 'string' ? found : 'ok');
  if (found === 'gone') response.writeHead(404).end();
  else if (found === null)
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>');
  else if (fault) {
    response.writeHead(200, { 'content-type': found.mimetype, 'content-length': found.bytes.length });
    response.write(found.bytes.subarray(0, 1), () => request.socket.destroy());
  } else response.writeHead(200, { 'content-type': found.mimetype }).end(found.bytes);
}

/** Its address is all that an upload needs. */
async function takeUpload(
  apps: ReadonlyMap<string, ServedApp>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const ticket = (request.url ?? '').split('/').at(-1) ?? '';
  const bytes = await bodyOf(request);
  const app = [...apps.values()].find(({ files }) => files.uploads.some(({ id }) => id === ticket));
  const fault = app?.faults.take('upload', null, '');
  app?.note('upload', fault?.kind ?? 'ok');
  if (fault?.kind === 'cut-before') return void request.socket.destroy();
  const status = fault && fault.kind !== 'cut-after' ? 500 : (app?.files.put(ticket, bytes) ?? 404);
  if (fault?.kind === 'cut-after') return void request.socket.destroy();
  const refused = fault?.kind === 'error' ? fault.status : fault?.kind === 'rate-limit' ? 429 : status;
  response.writeHead(refused).end(`OK - ${bytes.length}`);
}

type Body = Readonly<Record<string, unknown>>;

function outcomeOf(
  app: ServedApp,
  method: string,
  payload: Payload,
  fault: FaultKind | null,
): readonly [number, Body] {
  try {
    if (fault?.kind === 'rate-limit') throw new SlackRateLimit(fault.retryAfterSec);
    if (app.tokenProblem !== null) throw new SlackRefusal(app.tokenProblem);
    const isEarly = fault?.kind === 'error' && !fault.applied;
    const done = isEarly ? {} : callMethod(app, method, payload);
    if (fault?.kind !== 'error') return [200, { ok: true, ...done }];
    // `description` is Slack's code where the status is 200, as most refusals have it.
    return [fault.status, { ok: false, error: fault.description ?? 'internal_error' }];
  } catch (error) {
    if (error instanceof SlackRefusal) return [200, { ok: false, error: error.code }];
    if (error instanceof SlackRateLimit) {
      return [429, { ok: false, error: 'ratelimited', retryAfterSec: error.retryAfterSec }];
    }
    throw error;
  }
}

function answer(response: ServerResponse, { retryAfterSec, ...body }: Body, status = 200): void {
  if (response.destroyed) return;
  const headers = retryAfterSec === undefined ? {} : { 'retry-after': String(retryAfterSec) };
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
