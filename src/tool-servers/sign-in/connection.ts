// What signing in to a tool server left for one person: kept in the vault under that person's name, used for what they write
// and for nothing else. It is good for the very URL that it was made for: an owner who changes the URL makes people sign in anew.
import { z } from 'zod';
import type { Person, Tenant } from '../../core/ids.ts';
import type { Vault, VaultEntry } from '../../core/ports/vault.ts';

const clientSchema = z.object({
  client_id: z.string(),
  client_secret: z.string().optional(),
  token_endpoint_auth_method: z.string().optional(),
});

/** As much of an authorization server's metadata as asking it for tokens takes. */
export const authorizationServerSchema = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  response_types_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
});

export const connectionSchema = z.object({
  version: z.literal(1),
  serverUrl: z.string(),
  server: authorizationServerSchema,
  client: clientSchema,
  resource: z.string().optional(),
  accessToken: z.string().regex(/^[\x21-\x7e]+$/),
  refreshToken: z.string().optional(),
  expiresAtMs: z.number().nullable(),
  /** Of the refresh that made it: removed by the next one. */
  turnstile: z.string().optional(),
});

export type SignInClient = z.infer<typeof clientSchema>;
export type AuthorizationServer = z.infer<typeof authorizationServerSchema>;
export type Connection = z.infer<typeof connectionSchema>;

/** Whose connection to which server. */
export interface ConnectionOf {
  readonly tenant: Tenant;
  readonly person: Person;
  /** Its name in mcp.json. */
  readonly server: string;
}

export function connectionEntry({ tenant, person, server }: ConnectionOf): VaultEntry {
  return { tenant, person, name: `oauth/${server}` };
}

/** null: there is none for this URL. */
export async function readConnection(
  vault: Pick<Vault, 'get'>,
  of: ConnectionOf,
  serverUrl: string,
): Promise<Connection | null> {
  const text = await vault.get(connectionEntry(of));
  if (text === null) return null;
  const parsed = connectionSchema.safeParse(JSON.parse(text));
  return parsed.success && parsed.data.serverUrl === serverUrl ? parsed.data : null;
}

export async function writeConnection(
  vault: Pick<Vault, 'set'>,
  of: ConnectionOf,
  connection: Connection,
): Promise<void> {
  await vault.set(connectionEntry(of), JSON.stringify(connection));
}
