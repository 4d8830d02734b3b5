// AWS credentials from where the AWS SDK always looks: the environment, shared files and profiles, single sign-on, web
// identity, a container's or an instance's role. Kept and renewed by the SDK; loaded with the first request.
import { once } from '../core/once.ts';
import type { AwsCredentials } from '../gateway/model-upstream.ts';

export function createAwsCredentials(): AwsCredentials {
  const load = once(async () => (await import('@aws-sdk/credential-provider-node')).defaultProvider());
  return async () => await (await load())();
}
