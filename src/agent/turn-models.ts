// The models that an agent's turns may call: what its folder and its server name, and the small one that the CLI takes
// for titles, summaries and web pages.
import { CLI_DEFAULT_MODELS, CLI_SMALL_MODELS } from '../gateway/model-policy.ts';
import type { AgentFolder } from './agent-folder.ts';

/** `served`: the server's own choice, used when the folder names none. */
export function turnModels({ settings, agents, skills }: AgentFolder, served?: string): readonly string[] {
  const main = settings.model ?? served;
  const ofClaude = settings.claude?.model;
  const own = [
    main,
    typeof ofClaude === 'string' ? ofClaude : undefined,
    ...Object.values(agents).map(({ model }) => model),
    ...skills.map(({ model }) => model),
  ].filter((name) => name !== undefined);
  return [...new Set([...own, ...(main === undefined ? CLI_DEFAULT_MODELS : []), ...CLI_SMALL_MODELS])];
}
