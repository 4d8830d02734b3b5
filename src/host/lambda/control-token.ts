// The token by which a host hears what its worker says: good for one mailbox, until a stated time, and for nothing else.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Tenant } from '../../core/ids.ts';
import type { MailboxId } from './mailbox.ts';

const FORM = 'control1';

export interface ControlGrant {
  readonly box: MailboxId;
  readonly expiresAtMs: number;
}

export function signControlToken(secret: Uint8Array, { box, expiresAtMs }: ControlGrant): string {
  const claim = `${FORM}.${box.tenant}.${box.name}.${expiresAtMs}`;
  return `${claim}.${mac(secret, claim).toString('base64url')}`;
}

/** null: not ours, changed, or too old. Several secrets: one may be on its way out. */
export function readControlToken(
  secrets: readonly Uint8Array[],
  token: string,
  nowMs: number,
): ControlGrant | null {
  const found = /^(control1\.([\w=]{1,800})\.([\w-]{16,60})\.(\d{1,16}))\.([\w-]{43})$/.exec(token);
  if (!found) return null;
  const [, claim = '', tenant = '', name = '', expires, tag = ''] = found;
  const shown = Buffer.from(tag, 'base64url');
  const isOurs = secrets.some((secret) => timingSafeEqual(mac(secret, claim), shown));
  const expiresAtMs = Number(expires);
  return isOurs && expiresAtMs > nowMs ? { box: { tenant: tenant as Tenant, name }, expiresAtMs } : null;
}

function mac(secret: Uint8Array, claim: string): Buffer {
  return createHmac('sha256', secret).update(claim).digest();
}
