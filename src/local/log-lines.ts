// Log lines of a local system, on standard error: short and readable in a terminal, JSON anywhere else. Values may come
// from anybody, so control characters are escaped.
import type { Log, LogLevel } from '../core/log.ts';
import { harmless, harmlessJson } from '../text/harmless.ts';
import { LOG_LEVELS, type LogThreshold } from './configuration.ts';

export interface LogLinesOptions {
  readonly threshold: LogThreshold;
  readonly terminal: boolean;
  readonly write: (line: string) => void;
  readonly now: () => number;
}

export function createLogLines({ threshold, terminal, write, now }: LogLinesOptions): Log {
  const least = LOG_LEVELS.indexOf(threshold);
  return (level, event, fields = {}) => {
    if (LOG_LEVELS.indexOf(level) < least) return;
    const time = new Date(now()).toISOString();
    const known = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
    if (terminal)
      write(`${time.slice(11, 19)} ${levelPrefix(level)}${event}${known.map(fieldText).join('')}\n`);
    else {
      const json = JSON.stringify({ time, level, event, ...Object.fromEntries(known) });
      write(`${harmlessJson(json)}\n`);
    }
  };
}

function levelPrefix(level: LogLevel): string {
  return level === 'warn' || level === 'error' ? `${level}: ` : '';
}

function fieldText([name, value]: [string, unknown]): string {
  const text = String(value);
  const isPlain = !/[\s"]/.test(text) && harmless(text) === text;
  return ` ${name}=${isPlain ? text : harmlessJson(JSON.stringify(text))}`;
}
