// The headers of a request to a tool server, with the credentials that this turn's speaker may use: their own where they have
// one, else the tenant's. Nobody else's.
import type { Vault } from '../core/ports/vault.ts';
import { fillReferences, type RemoteServer, referencesIn } from './remote-server.ts';
import type { ToolServersOfTurn } from './turn-tool-servers.ts';

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  /** What must not come back to the agent. */
  readonly secrets: readonly string[];
}

export async function credentialsOf(
  { headers }: RemoteServer,
  { turn, vault }: { readonly turn: ToolServersOfTurn; readonly vault: Pick<Vault, 'get'> },
): Promise<Credentials | { readonly missing: string }> {
  const values = new Map<string, string>();
  for (const name of new Set(Object.values(headers).flatMap(referencesIn))) {
    const { tenant, speaker } = turn;
    const value =
      (await vault.get({ tenant, person: speaker, name })) ??
      (await vault.get({ tenant, person: null, name }));
    if (value === null) return { missing: name };
    values.set(name, value);
  }
  return { headers: fillReferences(headers, values), secrets: [...values.values()] };
}
