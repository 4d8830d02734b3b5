// From the configured choice to where the gateway sends requests; starts the demo model where that is the choice.
import { createDemoModel } from '../agent/demo-model.ts';
import type { ModelEndpoint } from '../agent/environment.ts';
import { createAwsCredentials } from '../aws/credentials.ts';
import type { ModelChoice } from './model-choice.ts';

export interface OpenEndpoint {
  readonly endpoint: ModelEndpoint;
  close(): Promise<void>;
}

export async function openModelEndpoint(choice: ModelChoice): Promise<OpenEndpoint> {
  if (choice.kind === 'demo') {
    return await createDemoModel();
  }
  const named = choice.name === null ? {} : { model: choice.name };
  const close = async () => {};
  if (choice.kind === 'bedrock') {
    return { endpoint: { bedrock: choice.variables, demo: false, ...named, ...lookedUp(choice) }, close };
  }
  if (choice.kind === 'claude-platform') {
    const { region, workspaceId, baseUrl, apiKey } = choice;
    const claudePlatform = { region, workspaceId, ...(baseUrl && { baseUrl }), ...(apiKey && { apiKey }) };
    return { endpoint: { claudePlatform, demo: false, ...named, ...lookedUp(choice) }, close };
  }
  const endpoint: ModelEndpoint = {
    baseUrl: choice.baseUrl,
    ...(choice.authToken ? { authToken: choice.authToken } : choice.apiKey ? { apiKey: choice.apiKey } : {}),
    demo: false,
    ...named,
  };
  return { endpoint, close };
}

/** The AWS SDK looks into this process's environment, which a worker begins without. */
function lookedUp({ lookUp }: { readonly lookUp: Readonly<Record<string, string>> | null }) {
  if (lookUp === null) return {};
  Object.assign(process.env, lookUp);
  return { awsCredentials: createAwsCredentials() };
}
