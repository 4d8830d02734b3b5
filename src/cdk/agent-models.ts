// The models that agent folders name, read at synthesis: the worker of isolated agents does not have the folders, and its tokens
// allow no other model. A folder with faults in it is refused here, before it is deployed.
import { namedModelsOf } from '../agent/turn-models.ts';
import { Invalid } from '../core/errors.ts';
import { VARIABLES } from '../lambda/variables.ts';
import { readAgentSettings } from './read-agent-settings.ts';

/** All variables of a function together may have 4 KB. */
const MAX_BYTES = 2_000;

/** `folders`: by name; '' is the installation's own. */
export function agentModelVariables(folders: Readonly<Record<string, string>>): Record<string, string> {
  const models = Object.entries(folders).map(
    ([name, folder]) => [name, namedModelsOf(readAgentSettings(folder))] as const,
  );
  const text = JSON.stringify(Object.fromEntries(models));
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new Invalid('too-many-models', `The agent folders name too many models (${text.length} bytes).`, {
      advice: `Their names may have ${MAX_BYTES} bytes together: name fewer models, or shorter ones (such as "opus").`,
    });
  }
  return { [VARIABLES.agentModels]: text };
}
