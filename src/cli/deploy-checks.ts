// What `deploy` looks at before `cdk` runs: settings, the agent folder, and what must be in the account already. Each fault
// is one line that says what to do. What cannot be looked at is said, and does not stop a deployment.

import { loadAgentFolder } from '../agent/agent-folder.ts';
import { lookUpParameters } from '../aws/account-parameters.ts';
import { listAgentFiles } from '../cdk/agent-files.ts';
import { installedChannels } from '../cdk/channels.ts';
import type { Settings } from '../cdk/settings.ts';
import { parametersIn } from '../channels/deployed.ts';
import { CHANNELS } from '../channels/index.ts';
import { withOwnChannels } from '../channels/own-channels.ts';
import { Invalid } from '../core/errors.ts';
import { type Account, whereTo } from './deploy-account.ts';

/** Of CDK's own bootstrap stack, with the qualifier that it has unless somebody chose another. */
const BOOTSTRAPPED = '/cdk-bootstrap/hnb659fds/version';
/** Parameter Store passes these on to Secrets Manager, and only together with their value. */
const IN_SECRETS_MANAGER = '/aws/reference/secretsmanager/';

const DEPLOYED_PARTS = ['outgoing', 'webhook', 'setup'] as const;

/** Throws the first fault of the folder. Notes what stays out of the image. */
export async function checkAgentFolder(folder: string, note: (line: string) => void): Promise<void> {
  await loadAgentFolder(folder);
  const { leftOut } = listAgentFiles(folder);
  if (leftOut.length > 0) note(`Not part of the image: ${leftOut.join(', ')}.`);
}

/** Throws what the account lacks. */
export async function checkAccount(
  settings: Settings,
  account: Account,
  note: (line: string) => void,
): Promise<void> {
  const named = namedParameters(settings);
  const secrets = named.filter((name) => name.startsWith(IN_SECRETS_MANAGER));
  if (secrets.length > 0) note(`Not checked: ${secrets.join(', ')} (in Secrets Manager).`);
  const asked = named.filter((name) => !secrets.includes(name));
  const found = await lookUpParameters(account, [...asked, BOOTSTRAPPED]);
  if ('unknown' in found) {
    note(`Not checked whether the account has what is needed: ${found.unknown}`);
    return;
  }
  const { region } = found;
  const missing = asked.filter((name) => !found.names.has(name));
  if (missing.length > 0) {
    throw new Invalid('no-parameter', `Parameter Store has no ${missing.join(', ')} in ${region}.`, {
      advice: `Run: aws ssm put-parameter --region ${region} --type SecureString --name ${missing[0]} --value ...`,
    });
  }
  if (!found.names.has(BOOTSTRAPPED) && !account.ownBootstrap) {
    throw new Invalid('not-bootstrapped', `CDK has not been set up in ${region}.`, {
      advice: `Run: npx cdk bootstrap ${whereTo(found)}`,
    });
  }
}

/** Those that the person has to make; the deployment makes the others. */
function namedParameters(settings: Settings): readonly string[] {
  const model = settings.model.provider === 'anthropic' ? [settings.model.keyParameter] : [];
  const known = withOwnChannels(CHANNELS, settings.channelModules);
  const channels = installedChannels(known, settings, (name) => name).flatMap((installed) =>
    DEPLOYED_PARTS.flatMap((part) => parametersIn(installed.channel, installed.settings(part))).filter(
      (name) => !installed.generatedSecrets.includes(name),
    ),
  );
  return [...new Set([...model, ...channels])];
}
