// Reads and checks requests: bodies, path parts, query and headers. Every refusal names what is wrong. A field or
// parameter that is not described here is refused, never ignored.

import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import { z } from 'zod';
import { readBody } from '../bounded-body.ts';
import type { TurnId } from '../core/ids.ts';
import { MAX_TEXT_LENGTH } from '../core/messages.ts';
import { refuse } from './problems.ts';

const MAX_BODY_BYTES = 1024 * 1024;
/** A body of that size over a slow mobile line. */
const MAX_BODY_MS = 20_000;
export const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;
const TURN = /^turn_[0-9a-f]{32}$/;
const KEY = /^[\x21-\x7e]{1,255}$/;

export const messageText = z
  .string()
  .max(MAX_TEXT_LENGTH, `must be at most ${MAX_TEXT_LENGTH} characters`)
  .refine((text) => text.isWellFormed(), 'must be well-formed Unicode');

export const emptyBody = z.strictObject({});

export const undoBody = z
  .strictObject({ turns: z.int().min(1).max(9_999).optional(), new_session: z.literal(true).optional() })
  .refine(({ turns, new_session }) => !(turns && new_session), 'takes turns or new_session, not both');

export const linkBody = z.strictObject({
  code: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 -]{3,15}$/, 'must be a code, such as ABCD-EFGH')
    .optional(),
});

export const forkBody = z.strictObject({ to: z.string() });

export function turnIdFrom(value: string | undefined): TurnId {
  if (value === undefined || !TURN.test(value)) refuse(404, 'unknown-turn', 'There is no such turn.');
  return value as TurnId;
}

/** The client's idempotency key. Without one a new key is made, so every request starts a new turn. */
export function idempotencyKey(context: Context): string {
  const key = context.req.header('idempotency-key');
  if (key === undefined) return randomUUID();
  if (!KEY.test(key)) {
    refuse(
      400,
      'bad-idempotency-key',
      'Idempotency-Key must be 1 to 255 visible ASCII characters, without spaces.',
    );
  }
  return key;
}

export function pageOf(context: Context): { limit: number; cursor?: string } {
  const query = context.req.query();
  for (const name of Object.keys(query)) {
    if (name !== 'limit' && name !== 'cursor') refuse(400, 'unknown-parameter', `Unknown parameter: ${name}`);
  }
  const limit = query.limit === undefined ? DEFAULT_PAGE : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
    refuse(400, 'bad-limit', `limit must be a whole number from 1 to ${MAX_PAGE}.`);
  }
  return query.cursor ? { limit, cursor: query.cursor } : { limit };
}

/** Reads and checks a body; the guard has seen that it is JSON. With `optional`, an empty body counts as `{}`. */
export async function jsonBody<T>(context: Context, schema: z.ZodType<T>, optional = false): Promise<T> {
  const bytes = await readBody(context.req.raw, { maxBytes: MAX_BODY_BYTES, maxMs: MAX_BODY_MS });
  if (bytes === 'too-large')
    refuse(413, 'body-too-large', `A body may have at most ${MAX_BODY_BYTES} bytes.`);
  if (bytes === 'too-slow') {
    refuse(408, 'body-too-slow', `A body must arrive within ${MAX_BODY_MS / 1000} seconds.`);
  }
  if (bytes.length === 0 && optional) return check(schema, {});
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    refuse(400, 'malformed-json', 'The body is not JSON in UTF-8.');
  }
  return check(schema, value);
}

function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map((issue) => ({
    field: issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : 'body'),
    message: issue.message,
  }));
  const first = errors[0];
  refuse(400, 'bad-body', `${first?.field}: ${first?.message}`, { extra: { errors } });
}
