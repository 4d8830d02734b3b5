// Turns as traces, one each, sent to an OpenTelemetry collector over HTTP (OTLP, JSON). Nobody waits for it, and it is
// tried once: what the collector does not take is dropped and logged. A trace holds names of tenant, channel and session,
// and no text of anybody. https://opentelemetry.io/docs/specs/otlp/ (read 2026-11)
import { createHash } from 'node:crypto';
import { errorFields, type Log } from '../core/log.ts';
import type { ClosedTurn } from '../core/running-turn.ts';
import type { Span } from '../core/timeline.ts';

export interface OtlpSettings {
  /** Of the collector; `/v1/traces` is added to it. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly service: string;
}

export interface TraceExporter {
  /** Never throws. */
  readonly closed: (turn: ClosedTurn) => void;
  /** Waits for what is under way, no longer than a request may take. */
  close(): Promise<void>;
}

const REQUEST_MS = 5_000;
/** Further turns are dropped while so many wait for the collector. */
const MAX_UNDER_WAY = 100;

export function createOtlpExporter(settings: OtlpSettings, version: string, log: Log): TraceExporter {
  const url = `${settings.endpoint.replace(/\/+$/, '')}/v1/traces`;
  const underWay = new Set<Promise<void>>();

  async function send(turn: ClosedTurn): Promise<void> {
    const body = JSON.stringify(traceOf(turn, settings.service, version));
    const headers = { ...settings.headers, 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(REQUEST_MS);
    try {
      const response = await fetch(url, { method: 'POST', headers, body, signal });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`The collector answers HTTP ${response.status}.`);
    } catch (error) {
      log('warn', 'trace-not-sent', { turn: turn.request.turnId, ...errorFields(error) });
    }
  }

  return {
    closed(turn) {
      if (underWay.size >= MAX_UNDER_WAY) {
        return log('warn', 'trace-not-sent', { turn: turn.request.turnId, code: 'too-many' });
      }
      const sent = send(turn).finally(() => underWay.delete(sent));
      underWay.add(sent);
    },
    async close() {
      await Promise.all(underWay);
    },
  };
}

const KIND_INTERNAL = 1;
const KIND_SERVER = 2;
const STATUS_ERROR = 2;

/** As OTLP's JSON has it: ids in hexadecimal, 64-bit numbers as text. */
export function traceOf(
  { request, sessionId, outcome, timeline }: ClosedTurn,
  service: string,
  version: string,
) {
  const { tenant, channel } = request.conversation;
  const digest = createHash('sha256').update(request.turnId).digest('hex');
  const traceId = digest.slice(0, 32);
  const rootId = digest.slice(32, 48);
  const { host, firstTextMs, attempt, totalMs, spans } = timeline;
  const at = (ms: number): string => String(BigInt(request.receivedAtMs + ms) * 1_000_000n);
  // A turn that is closed again, by another worker, has other spans in the same trace.
  const idOf = (index: number): string =>
    createHash('sha256').update(`${request.turnId} ${attempt} ${index}`).digest('hex').slice(0, 16);
  const agentId = idOf(spans.findIndex(({ kind }) => kind === 'agent'));
  const parentOf = ({ kind }: Span): string => (kind === 'model' || kind === 'tool' ? agentId : rootId);
  const root = {
    traceId,
    spanId: rootId,
    name: 'turn',
    kind: KIND_SERVER,
    startTimeUnixNano: at(0),
    endTimeUnixNano: at(totalMs),
    attributes: attributesOf({
      'hybrid_sessions.turn': request.turnId,
      'hybrid_sessions.kind': request.kind,
      'hybrid_sessions.tenant': tenant,
      'hybrid_sessions.channel': channel,
      'hybrid_sessions.session': sessionId,
      'hybrid_sessions.outcome': outcome,
      'hybrid_sessions.attempt': attempt,
      ...(host && {
        'hybrid_sessions.host.start': host.start,
        'hybrid_sessions.host.restored_bytes': host.restoredBytes,
        'hybrid_sessions.host.saved_bytes': host.savedBytes,
      }),
      ...(host?.peakMemoryBytes !== undefined && {
        'hybrid_sessions.host.peak_memory_bytes': host.peakMemoryBytes,
      }),
    }),
    events: firstTextMs === null ? [] : [{ name: 'first text', timeUnixNano: at(firstTextMs) }],
    ...(outcome === 'failed' && { status: { code: STATUS_ERROR } }),
  };
  const children = spans.map((span, index) => ({
    traceId,
    spanId: idOf(index),
    parentSpanId: parentOf(span),
    name: span.name === undefined ? span.kind : `${span.kind} ${span.name}`,
    kind: KIND_INTERNAL,
    startTimeUnixNano: at(span.fromMs),
    endTimeUnixNano: at(span.toMs),
  }));
  const resource = { attributes: attributesOf({ 'service.name': service, 'service.version': version }) };
  const scope = { name: 'hybrid-sessions', version };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [root, ...children] }] }] };
}

function attributesOf(values: Readonly<Record<string, string | number>>) {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }));
}
