// What `doctor` finds at a port that is in use: a server of this package, and what its turns wait for, or a stranger.
import { isLoopbackHost } from '../api/guard.ts';
import type { Finding } from '../channels/finding.ts';
import { harmless } from '../text/harmless.ts';

const PATIENCE_MS = 3_000;

interface Health {
  readonly status?: unknown;
  readonly reason?: unknown;
  readonly waiting?: readonly { readonly since?: unknown; readonly next_try_at?: unknown }[];
}

export async function runningServer(host: string, port: number): Promise<Omit<Finding, 'name'>> {
  // A server on all addresses of the machine answers on loopback, too.
  const name = !isLoopbackHost(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const health = await healthOf(`http://${name}:${port}/healthz`);
  if (health?.status === 'ok') {
    return { status: 'ok', found: `a hybrid-sessions server answers at ${host}:${port}` };
  }
  if (health?.status !== 'degraded') {
    const mend = 'End what runs there, or set PORT to another one.';
    return { status: 'warn', found: `${host}:${port} is in use, and not by a hybrid-sessions server`, mend };
  }
  const [first] = health.waiting ?? [];
  const since = first === undefined ? '' : ` Since ${harmless(String(first.since))}.`;
  const next = first === undefined ? '' : ` at ${harmless(String(first.next_try_at))}`;
  return {
    status: 'warn',
    found: `the server at ${host}:${port} waits. ${harmless(String(health.reason))}${since}`,
    mend: `It tries again by itself${next}; its log says what went wrong, and the checks below what to mend.`,
  };
}

async function healthOf(address: string): Promise<Health | null> {
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS), redirect: 'error' });
    const value: unknown = await response.json();
    return typeof value === 'object' ? (value as Health) : null;
  } catch {
    return null;
  }
}
