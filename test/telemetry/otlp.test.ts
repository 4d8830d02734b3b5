import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../src/core/log.ts';
import type { ClosedTurn } from '../../src/core/running-turn.ts';
import { otlpFrom } from '../../src/telemetry/otlp-settings.ts';
import { createOtlpExporter } from '../../src/telemetry/otlp-traces.ts';
import { conversation, message } from '../../testing/contracts/contract.ts';

interface Sent {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly resourceSpans: readonly Resource[] };
}
interface Resource {
  readonly resource: { readonly attributes: readonly object[] };
  readonly scopeSpans: readonly { readonly spans: readonly Trace[] }[];
}
interface Trace {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status?: object;
}

let collector: Server;
let got: Sent[];
let said: string[];
let status: number;
const log: Log = (_level, event) => void said.push(event);

beforeEach(async () => {
  got = [];
  said = [];
  status = 200;
  collector = createServer(async (request, response) => {
    got.push({ url: request.url, headers: request.headers, body: (await json(request)) as Sent['body'] });
    response.writeHead(status).end('{}');
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise<void>((resolve) => void collector.close(() => resolve())));

const settings = () => ({
  endpoint: `http://127.0.0.1:${(collector.address() as AddressInfo).port}/`,
  headers: { authorization: 'Bearer c' },
  service: 'bots',
});

function closed(outcome: ClosedTurn['outcome'] = 'ok'): ClosedTurn {
  return {
    request: { ...message(conversation(), { text: 'a secret' }), receivedAtMs: 1_795_000_000_123 },
    sessionId: 'b7e0c1d2-0000-4000-8000-000000000000' as never,
    outcome,
    timeline: {
      attempt: 1,
      spans: [
        { kind: 'queue', fromMs: 0, toMs: 5 },
        { kind: 'agent', fromMs: 5, toMs: 90 },
        { kind: 'model', fromMs: 6, toMs: 60 },
        { kind: 'tool', name: 'Bash', fromMs: 60, toMs: 80 },
        { kind: 'deliver', fromMs: 90, toMs: 100 },
      ],
      firstTextMs: 30,
      totalMs: 100,
      host: { start: 'hot', waitedMs: 0, restoredBytes: 0, savedBytes: 77 },
    },
  };
}

test('a turn is one trace: calls and tools within the agent, everything within the turn', async () => {
  const exporter = createOtlpExporter(settings(), '1.2.3', log);
  exporter.closed(closed());
  await exporter.close();
  expect(got).toHaveLength(1);
  const [{ url, headers, body }] = got as [Sent];
  expect([url, headers['content-type'], headers.authorization]).toEqual([
    '/v1/traces',
    'application/json',
    'Bearer c',
  ]);
  const [resource] = body.resourceSpans;
  expect(resource?.resource.attributes).toContainEqual({
    key: 'service.name',
    value: { stringValue: 'bots' },
  });
  const spans = resource?.scopeSpans[0]?.spans ?? [];
  expect(spans.map(({ name }) => name)).toEqual(['turn', 'queue', 'agent', 'model', 'tool Bash', 'deliver']);
  const [turn, queue, agent, model, tool, deliver] = spans as [Trace, Trace, Trace, Trace, Trace, Trace];
  expect(turn.parentSpanId).toBeUndefined();
  for (const span of [queue, agent, deliver]) expect(span.parentSpanId).toBe(turn.spanId);
  for (const span of [model, tool]) expect(span.parentSpanId).toBe(agent.spanId);
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  for (const span of spans) {
    expect(span.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(span.spanId).toMatch(/^[0-9a-f]{16}$/);
  }
  expect([turn.startTimeUnixNano, turn.endTimeUnixNano]).toEqual([
    '1795000000123000000',
    '1795000000223000000',
  ]);
  expect(tool).toMatchObject({
    startTimeUnixNano: '1795000000183000000',
    endTimeUnixNano: '1795000000203000000',
  });
  expect(JSON.stringify(body)).not.toContain('secret');
  expect(said).toEqual([]);
});

test('a turn that failed is marked so', async () => {
  const exporter = createOtlpExporter(settings(), '1.2.3', log);
  exporter.closed(closed('failed'));
  await exporter.close();
  expect(got[0]?.body.resourceSpans[0]?.scopeSpans[0]?.spans[0]?.status).toEqual({ code: 2 });
});

test.each([
  ['refuses', () => settings()],
  ['is not there', () => ({ ...settings(), endpoint: 'http://127.0.0.1:1' })],
])('a collector that %s costs a log line, and no turn', async (_name, to) => {
  status = 400;
  const exporter = createOtlpExporter(to(), '1.2.3', log);
  exporter.closed(closed());
  await exporter.close();
  expect(said).toEqual(['trace-not-sent']);
});

test('while a collector hangs, no more than a bounded number of turns is kept for it', async () => {
  const held: (() => void)[] = [];
  collector.removeAllListeners('request');
  collector.on('request', (_request, response) => void held.push(() => response.end('{}')));
  const exporter = createOtlpExporter(settings(), '1.2.3', log);
  for (let turns = 0; turns < 130; turns++) exporter.closed(closed());
  expect(said).toHaveLength(30);
  await expect.poll(() => held.length).toBe(100);
  for (const answer of held) answer();
  await exporter.close();
  expect(said).toHaveLength(30);
});

describe('settings', () => {
  const of = (endpoint: string, headers?: string) =>
    otlpFrom({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers });

  test('without an endpoint nothing is sent', () => {
    expect(otlpFrom({ OTEL_EXPORTER_OTLP_HEADERS: 'a=b' })).toBeNull();
  });

  test('headers as OpenTelemetry writes them', () => {
    expect(of('http://c:4318', ' api-key = k%20ey==,x=1, ')).toEqual({
      endpoint: 'http://c:4318',
      headers: { 'api-key': 'k ey==', x: '1' },
      service: 'hybrid-sessions',
    });
  });

  test.each([
    ['c:4318', undefined, /ENDPOINT must be an address/],
    ['ftp://c', undefined, /ENDPOINT must be an address/],
    ['http://c', 'novalue', /HEADERS must be name=value/],
    ['http://c', 'bad name=x', /HEADERS must be name=value/],
    ['http://c', '=x', /HEADERS must be name=value/],
  ])('%s with %s is refused', (endpoint, headers, message) => {
    expect(() => of(endpoint, headers)).toThrow(message);
  });
});
