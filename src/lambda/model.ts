// Where the worker's agent sends its model requests. The key stays in this process: the agent gets the address of a
// gateway on loopback and a token of its own for the turn (see src/agent/model-gateway.ts).
import { createDemoModel } from '../agent/demo-model.ts';
import type { ModelEndpoint } from '../agent/runner.ts';
import { Invalid } from '../core/errors.ts';
import type { ModelConfiguration } from './configuration.ts';

export async function readModelChoice(
  configuration: ModelConfiguration,
  key: string | undefined,
): Promise<ModelEndpoint> {
  const { modelProvider, model, modelBaseUrl } = configuration;
  const named = model === undefined ? {} : { model };
  if (modelProvider === 'demo') {
    return (await createDemoModel()).endpoint;
  }
  if (key === undefined) throw new Invalid('bad-config', 'No parameter is named for the key of the model.');
  return { apiKey: key, demo: false, ...named, ...(modelBaseUrl ? { baseUrl: modelBaseUrl } : {}) };
}
