// Where the worker's gateway sends model requests. The key stays in this process: the agent gets the address of the
// gateway on loopback and a token of its own for the turn (src/gateway/).
import { createDemoModel } from '../agent/demo-model.ts';
import type { ModelEndpoint } from '../agent/runner.ts';
import { createAwsCredentials } from '../aws/credentials.ts';
import { Invalid } from '../core/errors.ts';
import type { ModelConfiguration } from './configuration.ts';

export async function readModelChoice(
  configuration: ModelConfiguration,
  key: string | undefined,
  /** The function's own. */
  region?: string,
): Promise<ModelEndpoint> {
  const { modelProvider, model, modelBaseUrl } = configuration;
  const named = model === undefined ? {} : { model };
  if (modelProvider === 'demo') {
    return (await createDemoModel()).endpoint;
  }
  if (modelProvider === 'bedrock') {
    const bedrock: Record<string, string> = region === undefined ? {} : { AWS_REGION: region };
    return { bedrock, awsCredentials: createAwsCredentials(), demo: false, ...named };
  }
  if (key === undefined) throw new Invalid('bad-config', 'No parameter is named for the key of the model.');
  return { apiKey: key, demo: false, ...named, ...(modelBaseUrl ? { baseUrl: modelBaseUrl } : {}) };
}
