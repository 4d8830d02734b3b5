// The model in variables and rights: names and addresses for functions that are told of it, the right to call it for the one
// that does.
import type { Role } from 'aws-cdk-lib/aws-iam';
import { VARIABLES } from '../lambda/variables.ts';
import { allowModels, allowParameters } from './access.ts';
import type { ModelProps } from './props.ts';

export function modelVariables(model: ModelProps): Record<string, string> {
  return {
    ...modelNames(model),
    ...(model.provider === 'anthropic' ? { [VARIABLES.modelKeyParameter]: model.keyParameter } : {}),
    ...(model.provider === 'anthropic' && model.baseUrl ? { [VARIABLES.modelBaseUrl]: model.baseUrl } : {}),
  };
}

export function modelNames(model: ModelProps): Record<string, string> {
  return {
    [VARIABLES.modelProvider]: model.provider,
    ...('model' in model && model.model ? { [VARIABLES.model]: model.model } : {}),
  };
}

/** The right to call the model, and to read `parameters`. */
export function allowModel(role: Role, model: ModelProps, parameters: readonly string[]): void {
  if (model.provider === 'bedrock') allowModels(role);
  allowParameters(role, [...parameters, ...(model.provider === 'anthropic' ? [model.keyParameter] : [])]);
}
