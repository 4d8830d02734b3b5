// Where traces go, in the variables that every OpenTelemetry exporter reads.
import { Invalid } from '../core/errors.ts';
import type { OtlpSettings } from './otlp-traces.ts';

/** null where no collector is named. `Invalid` says what is wrong with a variable. */
export function otlpFrom(env: Readonly<Record<string, string | undefined>>): OtlpSettings | null {
  const endpoint = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint) return null;
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw bad('OTEL_EXPORTER_OTLP_ENDPOINT', 'must be an address like http://127.0.0.1:4318');
  }
  const headers: Record<string, string> = {};
  for (const part of (env.OTEL_EXPORTER_OTLP_HEADERS ?? '').split(',')) {
    if (part.trim() === '') continue;
    const [, name, value] = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(.*?)\s*$/.exec(part) ?? [];
    if (name === undefined || value === undefined) {
      throw bad('OTEL_EXPORTER_OTLP_HEADERS', 'must be name=value pairs with commas between them');
    }
    headers[name] = decoded(value);
  }
  return { endpoint, headers, service: env.OTEL_SERVICE_NAME || 'hybrid-sessions' };
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function bad(name: string, rule: string): Invalid {
  return new Invalid('bad-config', `${name} ${rule}.`, { advice: 'Change the environment variable.' });
}
