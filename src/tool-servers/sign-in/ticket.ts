// The links that people get to sign in, and the `state` of an authorization: signed with a key of the installation's own, which
// lies in the vault, so that every process that sees the vault can make and check them.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Person, Tenant } from '../../core/ids.ts';
import { once } from '../../core/once.ts';
import type { Vault, VaultEntry } from '../../core/ports/vault.ts';

/** What belongs to the installation lies under `#`, which begins no tenant. */
export const INSTALLATION = '#' as Tenant;
/** People read their chats when they do. */
export const TICKET_MS = 60 * 60_000;

const ticketSchema = z.strictObject({
  tenant: z.string().transform((value) => value as Tenant),
  person: z.string().transform((value) => value as Person),
  /** As people call them. */
  personName: z.string(),
  server: z.string(),
  expiresAtMs: z.number(),
});
export type Ticket = z.infer<typeof ticketSchema>;

export interface Signer {
  sign(use: 'ticket' | 'state', text: string): Promise<string>;
  /** The text; null when the signature is not ours, or was made for another use. */
  check(use: 'ticket' | 'state', signed: string): Promise<string | null>;
}

const KEY: VaultEntry = { tenant: INSTALLATION, person: null, name: 'sign-in/key' };

export function createSigner(vault: Vault): Signer {
  const key = once(async () => {
    await vault.add(KEY, randomBytes(32).toString('base64url'));
    return Buffer.from((await vault.get(KEY)) ?? '', 'base64url');
  });
  const tagOf = async (use: string, body: string): Promise<Buffer> =>
    createHmac('sha256', await key())
      .update(`${use} ${body}`)
      .digest();
  return {
    async sign(use, text) {
      const body = Buffer.from(text).toString('base64url');
      return `${body}.${(await tagOf(use, body)).toString('base64url')}`;
    },
    async check(use, signed) {
      const [body = '', tag = '', ...rest] = signed.split('.');
      const shown = Buffer.from(tag, 'base64url');
      const expected = await tagOf(use, body);
      if (rest.length > 0 || shown.length !== expected.length || !timingSafeEqual(shown, expected))
        return null;
      return Buffer.from(body, 'base64url').toString('utf8');
    },
  };
}

/** null: not ours, or too old. */
export async function readTicket(signer: Signer, signed: string, nowMs: number): Promise<Ticket | null> {
  const text = await signer.check('ticket', signed);
  if (text === null) return null;
  const ticket = ticketSchema.parse(JSON.parse(text));
  return ticket.expiresAtMs > nowMs ? ticket : null;
}
