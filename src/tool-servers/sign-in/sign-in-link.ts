// The link by which a person signs in to a tool server, and when it is shown: where the agent asks for it, and once by itself
// when a person first meets a server that wants it.
import type { Clock } from '../../core/ports/clock.ts';
import type { Vault } from '../../core/ports/vault.ts';
import type { ConnectionOf } from './connection.ts';
import { createSigner, TICKET_MS, type Ticket } from './ticket.ts';

export const SIGN_IN_PATH = '/sign-in';
export const DONE_PATH = '/sign-in/done';

export interface SignInLinks {
  /** For this person and nobody else; good for an hour. */
  linkFor(of: ConnectionOf, personName: string): Promise<string>;
  /** True once for each person and server, until they have signed in. */
  isFirst(of: ConnectionOf): Promise<boolean>;
}

export function createSignInLinks(parts: {
  readonly vault: Vault;
  /** Under which people's browsers reach the pages. */
  readonly publicUrl: string;
  readonly clock: Pick<Clock, 'now'>;
}): SignInLinks {
  const { vault, publicUrl, clock } = parts;
  const signer = createSigner(vault);
  return {
    async linkFor(of, personName) {
      const ticket: Ticket = { ...of, personName, expiresAtMs: clock.now() + TICKET_MS };
      const url = new URL(SIGN_IN_PATH, publicUrl);
      url.searchParams.set('ticket', await signer.sign('ticket', JSON.stringify(ticket)));
      return url.href;
    },
    isFirst: ({ tenant, person, server }) =>
      vault.add({ tenant, person, name: `told/${server}` }, String(clock.now())),
  };
}

/** What a turn's reply ends with, of one server. */
export interface SignInNote {
  readonly server: string;
  readonly text: string;
}

export function signInNote(server: string, personName: string, link: string): SignInNote {
  const text = `To use ${server} for ${personName}, sign in here: ${link}\n_(The link is for ${personName} only, and good for an hour.)_`;
  return { server, text };
}
