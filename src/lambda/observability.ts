// Writes log lines as JSON and derives the metrics for alarms and dashboard from the same calls, so that the two cannot
// differ. Metrics are written into the log in EMF (embedded metric format), which needs no API call.
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Log, LogFields } from '../core/log.ts';
import { METRIC_NAMESPACE, METRICS } from './metric-names.ts';

export interface Observability {
  readonly log: Log;
  /** Writes the metrics counted so far. Call it at the end of an invocation. */
  flush(): void;
}

export function createObservability(options: {
  readonly installation: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}): Observability {
  const logger = new Logger({
    serviceName: options.installation,
    logLevel: options.logLevel === 'debug' ? 'DEBUG' : options.logLevel === 'info' ? 'INFO' : 'WARN',
  });
  const metrics = new Metrics({ namespace: METRIC_NAMESPACE, serviceName: options.installation });
  const count = (name: string, value = 1, unit: Unit = MetricUnit.Count) =>
    metrics.addMetric(name, unit, value);

  return {
    log(level, event, fields = {}) {
      measure(event, fields, count);
      logger[level](event, definedOf(fields));
    },
    flush() {
      if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
    },
  };
}

type Unit = (typeof MetricUnit)[keyof typeof MetricUnit];
type Count = (name: string, value?: number, unit?: Unit) => void;

function measure(event: string, fields: LogFields, count: Count): void {
  if (event === 'state-unreadable') count(METRICS.unreadable);
  if (event === 'lease-lost') count(METRICS.leaseLost);
  if (event === 'function-not-ready') count(METRICS.notReady);
  if (event === 'worker-exposed') count(METRICS.exposed);
  if (event === 'request-refused') count(METRICS.refused);
  if (event === 'agent-started') count(fields.start === 'hot' ? METRICS.hot : METRICS.cold);
  if (event === 'turn-waits' && typeof fields.ageMs === 'number') {
    count(METRICS.outageMs, fields.ageMs, MetricUnit.Milliseconds);
  }
  if (event === 'turn-timeline') measureTimeline(fields, count);
  if (event !== 'turn-ended' || fields.outcome === 'continue') return;
  const { outcome, reason, tookMs, waitedMs } = fields;
  if (outcome === 'retry') {
    count(METRICS.retries);
    return;
  }
  count(METRICS.turns);
  if (outcome === 'dead') count(reason === 'undeliverable' ? METRICS.undeliverable : METRICS.dead);
  if (typeof tookMs === 'number') count(METRICS.turnMs, tookMs, MetricUnit.Milliseconds);
  if (typeof waitedMs === 'number' && waitedMs >= 0) {
    count(METRICS.waitMs, waitedMs, MetricUnit.Milliseconds);
  }
}

/** Each metric is paid for by the month; the log line has all the times. */
function measureTimeline(fields: LogFields, count: Count): void {
  const sum = (...names: readonly string[]): number | undefined => {
    const known = names.map((name) => fields[name]).filter((value) => typeof value === 'number');
    return known.length === 0 ? undefined : known.reduce((total, ms) => total + ms, 0);
  };
  for (const [name, ms] of [
    [METRICS.firstTextMs, sum('firstTextMs')],
    [METRICS.restoreMs, sum('hostMs', 'restoreMs')],
    [METRICS.modelMs, sum('modelMs')],
    [METRICS.saveMs, sum('checkpointMs', 'commitMs')],
  ] as const) {
    if (ms !== undefined) count(name, ms, MetricUnit.Milliseconds);
  }
}

/** A 5xx is a message that was not taken: nobody else counts those that a handler answers itself. */
export function noteRefusal({ status }: Response, log: Log): void {
  if (status >= 500) log('error', 'request-refused', { status });
}

/** The defined fields. A field `message` is renamed, because the event's name has that place in the line. */
function definedOf(fields: LogFields): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => [name === 'message' ? 'errorMessage' : name, value]),
  ) as Record<string, string | number | boolean>;
}
