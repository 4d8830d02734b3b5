// Reads secrets by name from SSM Parameter Store when a function starts. A name below /aws/reference/secretsmanager/
// reads a secret of Secrets Manager through the same call. Values stay in memory and are never logged.
import { GetParametersCommand, SSMClient } from '@aws-sdk/client-ssm';
import { timeOuts } from '../aws/time-outs.ts';
import { Invalid, Refused } from '../core/errors.ts';

const MAX_AT_ONCE = 10;

/** Values by name. Throws `Invalid('no-parameter')` naming those that do not exist. */
export async function readParameters(
  names: readonly string[],
  client: SSMClient = new SSMClient({
    maxAttempts: 5,
    requestHandler: timeOuts(4_000, 4_000),
  }),
): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  const wanted = [...new Set(names)];
  for (let at = 0; at < wanted.length; at += MAX_AT_ONCE) {
    const command = new GetParametersCommand({
      Names: wanted.slice(at, at + MAX_AT_ONCE),
      WithDecryption: true,
    });
    const { Parameters = [] } = await client.send(command).catch((cause: unknown) => {
      throw new Refused('parameters-unavailable', 'Parameter Store gave no answer.', { cause });
    });
    for (const { Name, Value } of Parameters) if (Name && Value) values.set(Name, Value);
  }
  const missing = wanted.filter((name) => !values.has(name));
  if (missing.length === 0) return values;
  throw new Invalid('no-parameter', `Parameter Store has no ${missing.join(', ')}.`, {
    advice: 'Make it as a SecureString in this account and region, see docs/deploy-aws.md.',
  });
}
