// A vault in Parameter Store: each entry a SecureString, below a name of the installation's own:
//   <prefix>/<tenant>/-/<name>          the tenant's
//   <prefix>/<tenant>/<person>/<name>   a person's
// Encrypted with the account's own key for parameters, or with the tenant's where it has one.
import {
  DeleteParameterCommand,
  GetParametersByPathCommand,
  GetParametersCommand,
  type Parameter,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { errorName, refusal } from '../../aws/client-errors.ts';
import { timeOuts } from '../../aws/time-outs.ts';
import { Invalid } from '../../core/errors.ts';
import type { Tenant } from '../../core/ids.ts';
import type { ListedEntry, Vault, VaultEntry } from '../../core/ports/vault.ts';
import { byPersonAndName, checkEntry, checkValue, person } from '../../core/vault.ts';

export interface SsmVaultOptions {
  /** Begins with `/` and ends without. */
  readonly prefix: string;
  readonly client?: SSMClient;
  /** ARN of the key that this tenant's entries are encrypted with; null for the account's own. */
  readonly keyOf?: (tenant: Tenant) => Promise<string | null>;
}

const TENANTS_OWN = '-';
/** A whole ARN may have 1,011 characters. */
const MAX_NAME = 850;

export function createSsmClient(
  at: { readonly region?: string; readonly endpoint?: string } = {},
): SSMClient {
  return new SSMClient({ ...at, maxAttempts: 5, requestHandler: timeOuts(4_000, 4_000) });
}

export function createSsmVault({
  prefix,
  client = createSsmClient(),
  keyOf = async () => null,
}: SsmVaultOptions): Vault {
  const folderOf = (tenant: Tenant): string => `${prefix}/${tenantPart(tenant)}`;

  function nameOf(entry: VaultEntry): string {
    checkEntry(entry);
    const { tenant, person: whose, name } = entry;
    const full = `${folderOf(tenant)}/${whose === null ? TENANTS_OWN : personPart(whose)}/${name}`;
    if (full.length <= MAX_NAME) return full;
    throw new Invalid('bad-credential-name', 'The names of person and credential are too long together.');
  }

  async function send<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw refusal('Parameter Store', error);
    }
  }

  async function put(entry: VaultEntry, value: string, overwrite: boolean): Promise<void> {
    const name = nameOf(entry);
    checkValue(value);
    const key = await keyOf(entry.tenant);
    await client.send(
      new PutParameterCommand({
        Name: name,
        Value: value,
        Type: 'SecureString',
        Overwrite: overwrite,
        // Above 4 KB a parameter is an advanced one.
        Tier: 'Intelligent-Tiering',
        ...(key === null ? {} : { KeyId: key }),
      }),
    );
  }

  return {
    async get(entry) {
      const name = nameOf(entry);
      const { Parameters = [] } = await send(() =>
        client.send(new GetParametersCommand({ Names: [name], WithDecryption: true })),
      );
      return Parameters[0]?.Value ?? null;
    },
    set: (entry, value) => send(() => put(entry, value, true)),
    add: (entry, value) =>
      send(async () => {
        try {
          await put(entry, value, false);
          return true;
        } catch (error) {
          if (errorName(error) === 'ParameterAlreadyExists') return false;
          throw error;
        }
      }),
    async remove(entry) {
      const name = nameOf(entry);
      return await send(async () => {
        try {
          await client.send(new DeleteParameterCommand({ Name: name }));
          return true;
        } catch (error) {
          if (errorName(error) === 'ParameterNotFound') return false;
          throw error;
        }
      });
    },
    list: (tenant) =>
      send(async () => {
        const entries: ListedEntry[] = [];
        let next: string | undefined;
        do {
          const page = await client.send(
            new GetParametersByPathCommand({
              Path: folderOf(tenant),
              Recursive: true,
              WithDecryption: false,
              MaxResults: 10,
              ...(next === undefined ? {} : { NextToken: next }),
            }),
          );
          entries.push(...(page.Parameters ?? []).flatMap((one) => entryOf(tenant, folderOf(tenant), one)));
          next = page.NextToken;
        } while (next !== undefined);
        return entries.sort(byPersonAndName);
      }),
  };
}

function entryOf(tenant: Tenant, folder: string, { Name = '', LastModifiedDate }: Parameter): ListedEntry[] {
  const [whose = '', ...name] = Name.slice(folder.length + 1).split('/');
  if (name.length === 0) return [];
  return [
    {
      tenant,
      person: whose === TENANTS_OWN ? null : person(personOfPart(whose)),
      name: name.join('/'),
      changedAtMs: LastModifiedDate?.getTime() ?? 0,
    },
  ];
}

/** Tenants are encoded already, with `=`, which no parameter's name may have; `#` is the installation's own. */
function tenantPart(tenant: Tenant): string {
  return tenant.replaceAll('=', '.').replaceAll('#', '-');
}

function personPart(text: string): string {
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[A-Za-z0-9_]/.test(char) ? char : `.${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

function personOfPart(part: string): string {
  const bytes = part.match(/\.[0-9A-F]{2}|./g) ?? [];
  return Buffer.from(
    bytes.map((one) => (one.length === 3 ? Number.parseInt(one.slice(1), 16) : one.charCodeAt(0))),
  ).toString('utf8');
}
