// From the configured choice to the address the agent talks to; starts the demo model where that is the choice.
import { createDemoModel } from '../agent/demo-model.ts';
import type { ModelEndpoint } from '../agent/environment.ts';
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
    return { endpoint: { bedrock: choice.variables, demo: false, ...named }, close };
  }
  const endpoint: ModelEndpoint = {
    baseUrl: choice.baseUrl,
    ...(choice.authToken ? { authToken: choice.authToken } : choice.apiKey ? { apiKey: choice.apiKey } : {}),
    demo: false,
    ...named,
  };
  return { endpoint, close };
}
