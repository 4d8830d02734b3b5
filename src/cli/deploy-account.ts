// Which account and region `cdk` would deploy to, as far as that can be known without asking.
import type { AccountPlace, FoundParameters } from '../aws/account-parameters.ts';
import type { Settings } from '../cdk/settings.ts';
import type { Environment } from '../local/configuration.ts';

export interface Account extends AccountPlace {
  /** The person's CDK has a bootstrap stack under another name, which is not looked for. */
  readonly ownBootstrap: boolean;
}

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

/** As `cdk bootstrap` wants it. The account's number is not always known here. */
export function whereTo({ account, region }: Extract<FoundParameters, { region: string }>): string {
  return account === null
    ? `aws://ACCOUNT/${region} (ACCOUNT: aws sts get-caller-identity --query Account --output text)`
    : `aws://${account}/${region}`;
}
