// Events of other programs, each by its own convention: who signed it, its own id and type, and what it says. The signature is over
// the bytes that came, so it is checked before anything is read out of them.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Trigger } from './trigger-file.ts';

export interface SignedEvent {
  /** The event's own: the same however often it is sent. */
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
}

/** `stale`: signed long ago, or by a clock that is wrong. `no-event`: well signed, and cannot be read as one. */
export type EventFault = 'bad-signature' | 'stale' | 'no-event';

export interface EventRequest {
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly secrets: readonly string[];
  readonly nowMs: number;
}

/** As Stripe and Standard Webhooks recommend. GitHub signs no time. */
export const TOLERANCE_SEC = 300;

export async function readEvent(
  from: Trigger['from'],
  request: EventRequest,
): Promise<SignedEvent | EventFault> {
  const fault = await CHECKS[from](request);
  if (fault !== null) return fault;
  const data = parsed(request.body);
  if (data === undefined) return 'no-event';
  const { id, type } = NAMES[from](request.headers, data);
  return ID.test(id) && ID.test(type) ? { id, type, data } : 'no-event';
}

/** Ids and types as all of them are: what could be anything else is no event. */
const ID = /^[\x21-\x7e]{1,200}$/;

type Check = (request: EventRequest) => EventFault | null | Promise<EventFault | null>;

const CHECKS: Readonly<Record<Trigger['from'], Check>> = {
  github({ headers, body, secrets }) {
    const given = headers.get('x-hub-signature-256')?.replace(/^sha256=/, '') ?? '';
    return secrets.some((secret) => isSame(given, hmacOf(secret, body))) ? null : 'bad-signature';
  },
  stripe({ headers, body, secrets, nowMs }) {
    const parts = (headers.get('stripe-signature') ?? '').split(',').map((part) => part.trim().split('='));
    const time = parts.find(([key]) => key === 't')?.[1] ?? '';
    const given = parts.filter(([key]) => key === 'v1').map(([, value = '']) => value);
    if (!/^\d{1,12}$/.test(time)) return 'bad-signature';
    const signed = Buffer.concat([Buffer.from(`${time}.`), body]);
    const isSigned = secrets.some((secret) => given.some((one) => isSame(one, hmacOf(secret, signed))));
    if (!isSigned) return 'bad-signature';
    return Math.abs(nowMs / 1_000 - Number(time)) <= TOLERANCE_SEC ? null : 'stale';
  },
  async standard({ headers, body, secrets, nowMs }) {
    const { Webhook } = await import('standardwebhooks');
    const id = headers.get('webhook-id') ?? '';
    const time = headers.get('webhook-timestamp') ?? '';
    const given = (headers.get('webhook-signature') ?? '').split(' ');
    if (id === '' || !/^\d{1,12}$/.test(time)) return 'bad-signature';
    const text = new TextDecoder().decode(body);
    const isSigned = secrets.some((secret) => {
      const expected = new Webhook(secret).sign(id, new Date(Number(time) * 1_000), text);
      return given.some((one) => isSame(one, expected));
    });
    if (!isSigned) return 'bad-signature';
    return Math.abs(nowMs / 1_000 - Number(time)) <= TOLERANCE_SEC ? null : 'stale';
  },
};

type Names = (headers: Headers, data: Readonly<Record<string, unknown>>) => Pick<SignedEvent, 'id' | 'type'>;

const NAMES: Readonly<Record<Trigger['from'], Names>> = {
  github: (headers, { action }) => {
    const event = headers.get('x-github-event') ?? '';
    return {
      id: headers.get('x-github-delivery') ?? '',
      type: typeof action === 'string' && action !== '' ? `${event}.${action}` : event,
    };
  },
  stripe: (_, { id, type }) => ({ id: text(id), type: text(type) }),
  // The convention recommends a type and does not ask for one.
  standard: (headers, { type }) => ({ id: headers.get('webhook-id') ?? '', type: text(type) || 'event' }),
};

/** `issues` is every event of that name, `issues.opened` that one. */
export function isWanted({ events }: Pick<Trigger, 'events'>, type: string): boolean {
  return events.length === 0 || events.some((one) => type === one || type.startsWith(`${one}.`));
}

function hmacOf(secret: string, content: Uint8Array): string {
  return createHmac('sha256', secret).update(content).digest('hex');
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function parsed(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
