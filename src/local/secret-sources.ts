// Where secrets of tenants come from on one machine: its environment, files, and, where a reference says so, Parameter
// Store and Secrets Manager of the account that this machine's credentials open.
import { systemClock } from '../core/clock.ts';
import { Invalid } from '../core/errors.ts';
import { createSecretReader, type SecretReader } from '../tenants/secrets.ts';

/** `variable`: of the server's environment, which its workers do not have. */
export function openSecrets(
  variable: (name: string) => string | undefined | Promise<string | undefined>,
): SecretReader {
  return createSecretReader({ variable, parameters, clock: systemClock });
}

/** Loaded when it is needed: it loads the AWS SDK. */
async function parameters(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const { readParameters } = await import('../lambda/parameters.ts').catch((cause: unknown) => {
    throw new Invalid('no-aws-sdk', 'The AWS SDK is not installed here.', {
      cause,
      advice: 'Run: npm install @aws-sdk/client-ssm',
    });
  });
  return await readParameters(names);
}
