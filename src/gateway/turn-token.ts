// Tokens for a turn. In a gateway that lives in the worker's process a token is random and looked up. Where nothing is
// kept between calls the token says everything itself and is signed: `turn1.<grant>.<HMAC-SHA256>`. It is no secret to
// its holder, who can read it and change nothing.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { Invalid } from '../core/errors.ts';
import { type TurnGrant, turnGrantSchema } from './turn-grant.ts';

const FORM = 'turn1';
const MIN_SECRET_BYTES = 32;
/** 32 bytes; the decoder itself passes over what is no base64. */
const TAG = /^[\w-]{43}$/;

const claims = z.strictObject({ grant: turnGrantSchema, expiresAtMs: z.number() });

export interface SignedGrant {
  readonly grant: TurnGrant;
  readonly expiresAtMs: number;
}

/** `secret`: at least 32 random bytes. */
export function signTurnToken(secret: Uint8Array, signed: SignedGrant): string {
  requireSecret(secret);
  const payload = Buffer.from(JSON.stringify(signed)).toString('base64url');
  return `${FORM}.${payload}.${hmac(secret, payload).toString('base64url')}`;
}

/** null: not ours, changed, or too old. Several secrets: one may be on its way out. */
export function readTurnToken(
  secrets: readonly Uint8Array[],
  token: string,
  nowMs: number,
): SignedGrant | null {
  for (const secret of secrets) requireSecret(secret);
  const [form, payload, tag, ...rest] = token.split('.');
  if (form !== FORM || payload === undefined || rest.length > 0 || !TAG.test(tag ?? '')) return null;
  const shown = Buffer.from(tag ?? '', 'base64url');
  const isOurs = secrets
    .map((secret) => hmac(secret, payload))
    .map((expected) => shown.length === expected.length && timingSafeEqual(shown, expected))
    .includes(true);
  if (!isOurs) return null;
  const parsed = claims.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  if (!parsed.success || parsed.data.expiresAtMs <= nowMs) return null;
  return parsed.data as SignedGrant;
}

function hmac(secret: Uint8Array, payload: string): Buffer {
  return createHmac('sha256', secret).update(`${FORM}.${payload}`).digest();
}

function requireSecret(secret: Uint8Array): void {
  if (secret.length >= MIN_SECRET_BYTES) return;
  throw new Invalid('bad-config', `The gateway's secret must have at least ${MIN_SECRET_BYTES} bytes.`, {
    advice: 'Make one with `openssl rand -base64 32`.',
  });
}

/** Random tokens and whom they belong to. */
export interface TokenDesk<T> {
  issue(holder: T): string;
  /** Compares digests, so that neither content nor length of a token shows in the time it takes. */
  find(token: string): T | null;
  revoke(token: string): void;
}

export function createTokenDesk<T>(): TokenDesk<T> {
  const held = new Map<string, { readonly digest: Buffer; readonly holder: T }>();
  return {
    issue(holder) {
      const id = randomBytes(9).toString('base64url');
      const token = `turn-${id}.${randomBytes(32).toString('base64url')}`;
      held.set(id, { digest: digestOf(token), holder });
      return token;
    },
    find(token) {
      const entry = held.get(idOf(token));
      return entry && timingSafeEqual(digestOf(token), entry.digest) ? entry.holder : null;
    },
    revoke(token) {
      held.delete(idOf(token));
    },
  };
}

function idOf(token: string): string {
  return /^turn-([\w-]{12})\./.exec(token)?.[1] ?? '';
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** The token that a request shows, however it shows it; '' without one. */
export function shownToken(headers: Readonly<Record<string, string>>): string {
  return headers['x-api-key'] ?? headers.authorization?.replace(/^Bearer\s+/i, '') ?? '';
}
