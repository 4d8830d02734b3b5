// Slack's signature over the raw body, in constant time
// (https://docs.slack.dev/authentication/verifying-requests-from-slack, read 2026-11).
import { createHmac, timingSafeEqual } from 'node:crypto';

const SIGNATURE_HEADER = 'x-slack-signature';
const TIMESTAMP_HEADER = 'x-slack-request-timestamp';
/** What was signed earlier, or for later, is refused: somebody may have recorded it. */
const WINDOW_SEC = 300;

export interface Signed {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** `secrets`: the current one, and those of before while it is changed. Each is compared, so that the time tells nothing. */
export function isSigned({ headers, body }: Signed, secrets: readonly string[], nowMs: number): boolean {
  const timestamp = headers.get(TIMESTAMP_HEADER) ?? '';
  const given = headers.get(SIGNATURE_HEADER) ?? '';
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(nowMs / 1_000 - Number(timestamp)) > WINDOW_SEC) return false;
  const matches = secrets
    .filter((secret) => secret !== '')
    .map((secret) => isEqual(signatureOf(body, timestamp, secret), given));
  return matches.includes(true);
}

export function signatureOf(body: Uint8Array, timestamp: string, secret: string): string {
  return `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest('hex')}`;
}

function isEqual(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
