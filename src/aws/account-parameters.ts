// Which parameters an account has, by the credentials that the AWS tools here would use: names only, nothing is decrypted.
import { GetParametersCommand, SSMClient } from '@aws-sdk/client-ssm';
import { timeOuts } from './time-outs.ts';

export interface AccountPlace {
  readonly region?: string;
  readonly account?: string;
  readonly profile?: string;
}

export type FoundParameters =
  | { readonly names: ReadonlySet<string>; readonly region: string; readonly account: string | null }
  /** Why nothing is known. */
  | { readonly unknown: string };

const MAX_AT_ONCE = 10;

export async function lookUpParameters(
  place: AccountPlace,
  names: readonly string[],
): Promise<FoundParameters> {
  const { region, profile } = place;
  const client = new SSMClient({
    ...(region ? { region } : {}),
    ...(profile ? { profile } : {}),
    maxAttempts: 2,
    requestHandler: timeOuts(5_000, 5_000),
  });
  try {
    const there = await attempt(() => client.config.region());
    if (!there) return { unknown: 'no region is set (`region` in the settings, or AWS_REGION).' };
    const identity = await attempt(() => client.config.credentials());
    if (!identity) return { unknown: 'no credentials were found.' };
    const found = new Set<string>();
    for (let at = 0; at < names.length; at += MAX_AT_ONCE) {
      const command = new GetParametersCommand({ Names: names.slice(at, at + MAX_AT_ONCE) });
      const { Parameters = [] } = await client.send(command);
      for (const { Name } of Parameters) if (Name) found.add(Name);
    }
    return { names: found, region: there, account: place.account ?? identity.accountId ?? null };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { unknown: `Parameter Store refused to say (${name}: ${message.replace(/\s+/g, ' ')}).` };
  } finally {
    client.destroy();
  }
}

async function attempt<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch {
    return null;
  }
}
