// Requests that must lead nowhere, as data: every way to come without the key, from a page of another site, with a body
// that a form could send, with too much of anything, with an id of another channel. Each wiring runs the same table over
// its own HTTP.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import openapi from '../../openapi.json' with { type: 'json' };

interface HostileRequest {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly expected: readonly [status: number, code: string];
}

interface Target {
  readonly url: string;
  readonly key: string;
  /** A turn of a conversation that is no chat of the API. */
  readonly foreignTurn: string;
  /** True where the server answers to its own names only. */
  readonly knowsHosts: boolean;
}

interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

interface Operation {
  readonly security?: unknown;
}
const NO_TURN = `turn_${'0'.repeat(32)}`;
const JSON_TYPE = { 'content-type': 'application/json' };

/** Every described route, with addresses filled in; `open` without the key. */
const ROUTES = Object.entries(openapi.paths as unknown as Record<string, Record<string, Operation>>).flatMap(
  ([path, operations]) =>
    Object.entries(operations).map(([method, { security }]) => ({
      method: method.toUpperCase(),
      path: path
        .replace('{chat}', 'hostile')
        .replace('{id}', NO_TURN)
        .replace('{file}', `up-${'0'.repeat(16)}`),
      open: security !== undefined,
    })),
);
const CLOSED = ROUTES.filter(({ open }) => !open);
const CHANGES = ROUTES.filter(({ method }) => method !== 'GET');
const POSTS = ROUTES.filter(({ method }) => method === 'POST');

const bodyFor = (path: string) => (path.endsWith('/messages') ? '{"text":"x"}' : '{}');
const posted = ({ method, path }: { method: string; path: string }) =>
  method === 'POST' ? { body: bodyFor(path) } : {};
const typed = ({ method }: { method: string }) => (method === 'POST' ? JSON_TYPE : {});

/** Ways to show a key, or something else, that are none. */
function wrongKeys(key: string): Record<string, { headers?: Record<string, string>; query?: string }> {
  return {
    'no key': {},
    'an empty one': { headers: { authorization: 'Bearer ' } },
    'another one': { headers: { authorization: `Bearer ${'k'.repeat(key.length)}` } },
    'the key and more': { headers: { authorization: `Bearer ${key}x` } },
    'a part of the key': { headers: { authorization: `Bearer ${key.slice(0, -1)}` } },
    'the key without a scheme': { headers: { authorization: key } },
    'the key by another scheme': { headers: { authorization: `Basic ${btoa(`key:${key}`)}` } },
    'two of them': { headers: { authorization: `Bearer ${key}, Bearer ${key}` } },
    'the key in another header': { headers: { 'x-api-key': key } },
    'the key in a cookie': { headers: { cookie: `key=${key}; authorization=Bearer ${key}` } },
    'the key in the query': { query: `?key=${key}&access_token=${key}` },
  };
}

const FOREIGN: Readonly<Record<string, Record<string, string>>> = {
  'another site': { origin: 'https://evil.example' },
  'another port of this machine': { origin: 'http://127.0.0.1:1' },
  'a page without an origin': { origin: 'null' },
  'no address': { origin: 'evil' },
  'what the browser calls cross-site': { 'sec-fetch-site': 'cross-site' },
};

const NO_JSON: Readonly<Record<string, Record<string, string>>> = {
  'no type': {},
  'plain text': { 'content-type': 'text/plain' },
  'a form': { 'content-type': 'application/x-www-form-urlencoded' },
  'a form with files': { 'content-type': 'multipart/form-data; boundary=x' },
  'JSON in the parameters of a type': { 'content-type': 'text/plain; application/json' },
  'a type that begins like it': { 'content-type': 'application/json-seq' },
};

const OTHER_HOSTS = [
  'evil.example',
  'evil.example:8787',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  '0.0.0.0',
];

function hostileRequests({ key, foreignTurn, knowsHosts }: Target): HostileRequest[] {
  const authorization = `Bearer ${key}`;
  const all: HostileRequest[] = [];
  for (const route of CLOSED) {
    for (const [name, { headers, query = '' }] of Object.entries(wrongKeys(key))) {
      all.push({
        ...route,
        ...posted(route),
        name: `${route.method} ${route.path} with ${name}`,
        path: route.path + query,
        headers: { ...typed(route), ...headers },
        expected: [401, 'bearer-required'],
      });
    }
  }
  for (const route of CHANGES) {
    for (const [name, headers] of Object.entries(FOREIGN)) {
      all.push({
        ...route,
        ...posted(route),
        name: `${route.method} ${route.path} asked for by ${name}`,
        headers: { authorization, ...typed(route), ...headers },
        expected: [403, 'foreign-origin'],
      });
    }
  }
  for (const route of POSTS) {
    for (const [name, headers] of Object.entries(NO_JSON)) {
      for (const body of ['', bodyFor(route.path)]) {
        const what = body === '' ? 'no body' : 'a body';
        all.push({
          ...route,
          name: `${route.method} ${route.path} with ${what} of ${name}`,
          headers: { authorization, ...headers },
          body,
          expected: [415, 'not-json'],
        });
      }
    }
    all.push({
      ...route,
      name: `${route.method} ${route.path} with a body over the limit`,
      headers: { authorization, ...JSON_TYPE },
      body: JSON.stringify({ text: 'x'.repeat(1024 * 1024) }),
      // A way in that nobody has set up reads no body at all.
      expected: route.open ? [404, 'unknown-trigger'] : [413, 'body-too-large'],
    });
  }
  for (const route of ROUTES) {
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`x-${n}`, 'x']));
    all.push({
      ...route,
      ...posted(route),
      name: `${route.method} ${route.path} with a hundred headers and more`,
      headers: { authorization, ...typed(route), ...many },
      expected: [431, 'head-too-large'],
    });
    if (!knowsHosts) continue;
    for (const host of OTHER_HOSTS) {
      all.push({
        ...route,
        ...posted(route),
        name: `${route.method} ${route.path} at ${host}`,
        headers: { authorization, ...typed(route), host },
        expected: [403, 'unknown-host'],
      });
    }
  }
  for (const id of [foreignTurn, NO_TURN, 'turn_x', `${foreignTurn}%2F..`]) {
    for (const [method, action] of [
      ['GET', ''],
      ['GET', '/events'],
      ['GET', '/timeline'],
      ['POST', '/stop'],
    ] as const) {
      const path = `/v1/turns/${id}${action}`;
      all.push({
        name: `${method} ${path}`,
        method,
        path,
        headers: { authorization, ...typed({ method }) },
        ...posted({ method, path }),
        expected: [404, 'unknown-turn'],
      });
    }
  }
  return all;
}

/** Sends exactly these headers, which `fetch` would not. */
export function send(
  url: string,
  { method, path, headers, body }: Pick<HostileRequest, 'method' | 'path' | 'headers' | 'body'>,
): Promise<Answered> {
  const { hostname, port } = new URL(url);
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { hostname, port, method, path, headers: { ...headers, ...length }, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece) => {
          text += piece;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** What is wrong with the answers, a line each; nothing when every request led nowhere. */
export async function runHostile(target: Target): Promise<string[]> {
  const wrong: string[] = [];
  const unknown = new Set<string>();
  for (const request of hostileRequests(target)) {
    const { status, headers, text } = await send(target.url, request);
    const [wanted, code] = request.expected;
    const problem = status === wanted ? (JSON.parse(text) as { code?: string }) : {};
    if (status !== wanted || problem.code !== code)
      wrong.push(`${request.name}: ${status} ${text.slice(0, 200)}`);
    if (text.includes(target.key)) wrong.push(`${request.name}: the answer has the key`);
    if (Object.keys(headers).some((name) => name.startsWith('access-control-')))
      wrong.push(`${request.name}: other sites are let in`);
    if (headers['x-content-type-options'] !== 'nosniff') wrong.push(`${request.name}: may be sniffed`);
    if (code === 'unknown-turn') unknown.add(text);
  }
  // An id tells nothing by how it is refused.
  if (unknown.size !== 1) wrong.push(`unknown turns are told apart: ${[...unknown].join(' ')}`);
  return wrong;
}
