// Webhooks: addresses of an owner's programs that are told how turns ended, and one line of a log for each message to each of
// them. A line holds no text of anybody: what is sent is made from the turn when it is sent, so it goes with the turn.
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { Corrupt } from './errors.ts';
import type { Tenant, TurnId } from './ids.ts';
import type { TurnRecord } from './records.ts';

export type WebhookId = string & { readonly __brand: 'WebhookId' };
/** Also the `webhook-id` that is sent: the same at every try, and different for each webhook. */
export type DeliveryId = string & { readonly __brand: 'DeliveryId' };

/** A turn has exactly one, the first of these that holds. */
export const WEBHOOK_EVENTS = ['turn.failed', 'turn.asked', 'turn.scheduled', 'turn.final'] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

export const MAX_WEBHOOKS = 10;
export const KEPT_DELIVERY_MS = 30 * 86_400_000;
/** Of one message. */
export const KEPT_TRIES = 10;
/** While a secret is changed both are signed with. */
export const OLD_SECRET_MS = 86_400_000;

/** An address or a network, such as `10.1.0.0/16`. */
const networkSchema = z.union(
  [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()],
  'must be an address such as 10.1.2.3, or a network such as 10.1.0.0/16',
);

export const webhookSettingsSchema = z.strictObject({
  /** May be sent to although they are not on the internet; without TLS, too. */
  privateAddresses: z.array(networkSchema).max(100).default([]),
});
export type WebhookSettings = z.infer<typeof webhookSettingsSchema>;

const tenant = z.string().transform((value) => value as Tenant);
const webhookId = z.string().transform((value) => value as WebhookId);

export const webhookSchema = z.strictObject({
  id: webhookId,
  tenant,
  url: z.string(),
  description: z.string(),
  events: z.array(z.enum(WEBHOOK_EVENTS)).min(1),
  /** The first is the current one. */
  secrets: z.array(z.strictObject({ secret: z.string(), untilMs: z.number().nullable() })).min(1),
  version: z.int().positive(),
  createdAtMs: z.number(),
});
export type Webhook = z.infer<typeof webhookSchema>;

const trySchema = z.strictObject({
  atMs: z.number(),
  tookMs: z.number(),
  /** null: no answer. */
  status: z.int().nullable(),
  /** null: it was taken. */
  fault: z.string().nullable(),
});
export type WebhookTry = z.infer<typeof trySchema>;

export const deliverySchema = z.strictObject({
  id: z.string().transform((value) => value as DeliveryId),
  webhook: webhookId,
  tenant,
  turnId: z.string().transform((value) => value as TurnId),
  event: z.enum(WEBHOOK_EVENTS),
  /** `dropped`: its turn is not there any more. */
  status: z.enum(['pending', 'delivered', 'failed', 'dropped']),
  /** Tries since `sinceMs`. */
  attempts: z.int().nonnegative(),
  /** The last ones. */
  tries: z.array(trySchema),
  /** Set while pending. */
  dueMs: z.number().nullable(),
  /** How often somebody asked for it again. */
  replays: z.int().nonnegative(),
  /** Since when it is tried. */
  sinceMs: z.number(),
  version: z.int().positive(),
  createdAtMs: z.number(),
  expiresAtMs: z.number(),
});
export type WebhookDelivery = z.infer<typeof deliverySchema>;

/** Corrupt('record-unreadable'). */
export function parseWebhook(value: unknown): Webhook {
  return checked(webhookSchema.safeParse(value));
}

/** Corrupt('record-unreadable'). */
export function parseDelivery(value: unknown): WebhookDelivery {
  return checked(deliverySchema.safeParse(value));
}

function checked<T>(parsed: z.ZodSafeParseResult<T>): T {
  if (parsed.success) return parsed.data;
  throw new Corrupt('record-unreadable', 'A stored webhook cannot be read.', { cause: parsed.error });
}

export function newWebhookId(): WebhookId {
  return `wh_${randomBytes(8).toString('hex')}` as WebhookId;
}

/** As the Standard Webhooks convention writes one: 256 random bits. */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

export function eventOf({ kind, reply }: Pick<TurnRecord, 'kind' | 'reply'>): WebhookEvent {
  if (reply?.outcome === 'failed') return 'turn.failed';
  if (reply?.asked && reply.asked.length > 0) return 'turn.asked';
  return kind === 'wake' ? 'turn.scheduled' : 'turn.final';
}

/** A turn as webhooks know it. */
export interface ToldTurn {
  readonly turnId: TurnId;
  /** When its outcome was fixed. */
  readonly endedAtMs: number;
}

export function toldTurn(turn: Pick<TurnRecord, 'turnId' | 'reply' | 'receivedAtMs'>): ToldTurn {
  return { turnId: turn.turnId, endedAtMs: turn.reply?.fixedAtMs ?? turn.receivedAtMs };
}

/** The same however often the turn's end is told. Ids of one webhook are in the order of time. */
export function deliveryIdOf(webhook: WebhookId, { turnId, endedAtMs }: ToldTurn): DeliveryId {
  const digest = createHash('sha256').update(`delivery\n${webhook}\n${turnId}`).digest('hex').slice(0, 20);
  return `msg_${Math.trunc(endedAtMs).toString(16).padStart(12, '0')}${digest}` as DeliveryId;
}

export function deliveryOf(webhook: Webhook, turn: TurnRecord, nowMs: number): WebhookDelivery {
  return {
    id: deliveryIdOf(webhook.id, toldTurn(turn)),
    webhook: webhook.id,
    tenant: webhook.tenant,
    turnId: turn.turnId,
    event: eventOf(turn),
    status: 'pending',
    attempts: 0,
    tries: [],
    dueMs: nowMs,
    replays: 0,
    sinceMs: nowMs,
    version: 1,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + KEPT_DELIVERY_MS,
  };
}

/** To be sent once more, whatever became of it. */
export function replayed(delivery: WebhookDelivery, nowMs: number): WebhookDelivery {
  const { replays } = delivery;
  return { ...delivery, status: 'pending', attempts: 0, dueMs: nowMs, sinceMs: nowMs, replays: replays + 1 };
}

/** Those that sign now: both while a secret is changed. */
export function secretsOf({ secrets }: Pick<Webhook, 'secrets'>, nowMs: number): readonly string[] {
  return secrets.filter(({ untilMs }) => untilMs === null || untilMs > nowMs).map(({ secret }) => secret);
}

export function withNewSecret(webhook: Webhook, secret: string, nowMs: number): Webhook {
  const [current] = webhook.secrets;
  const old = current ? [{ secret: current.secret, untilMs: nowMs + OLD_SECRET_MS }] : [];
  return { ...webhook, secrets: [{ secret, untilMs: null }, ...old] };
}
