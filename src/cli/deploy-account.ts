// What an account has in Parameter Store, by the credentials that `cdk` would use, too: names only, no value is decrypted.
import { GetParametersCommand, SSMClient } from '@aws-sdk/client-ssm';
import { timeOuts } from '../aws/time-outs.ts';
import type { Settings } from '../cdk/settings.ts';
import type { Environment } from '../local/configuration.ts';

export interface Account {
  readonly region?: string;
  readonly account?: string;
  readonly profile?: string;
  /** The person's CDK has a bootstrap stack under another name, which is not looked for. */
  readonly ownBootstrap: boolean;
}

export type Found =
  | { readonly names: ReadonlySet<string>; readonly region: string; readonly account: string | null }
  /** Why nothing is known. */
  | { readonly unknown: string };

const MAX_AT_ONCE = 10;

/** `rest`: what goes to `cdk` as it is. */
export function accountOf(settings: Settings, env: Environment, rest: readonly string[]): Account {
  const region = settings.region ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? env.CDK_DEFAULT_REGION;
  const at = rest.indexOf('--profile');
  const profile = at < 0 ? rest.find((word) => word.startsWith('--profile='))?.slice(10) : rest[at + 1];
  return {
    ...(region ? { region } : {}),
    ...(settings.account ? { account: settings.account } : {}),
    ...(profile ? { profile } : {}),
    ownBootstrap: rest.some((word) => /bootstrapQualifier|toolkit-stack-name/.test(word)),
  };
}

export async function lookUpParameters(account: Account, names: readonly string[]): Promise<Found> {
  const { region, profile } = account;
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
    return { names: found, region: there, account: account.account ?? identity.accountId ?? null };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { unknown: `Parameter Store refused to say (${name}: ${message.replace(/\s+/g, ' ')}).` };
  } finally {
    client.destroy();
  }
}

/** As `cdk bootstrap` wants it. The account's number is not always known here. */
export function whereTo({ account, region }: Extract<Found, { region: string }>): string {
  return account === null
    ? `aws://ACCOUNT/${region} (ACCOUNT: aws sts get-caller-identity --query Account --output text)`
    : `aws://${account}/${region}`;
}

async function attempt<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch {
    return null;
  }
}
