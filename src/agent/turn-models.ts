// The models that an agent's turns may call: what its folder and its server name, and the small one that the CLI takes
// for titles, summaries and web pages.
import { z } from 'zod';
import { CLI_DEFAULT_MODELS, CLI_SMALL_MODELS } from '../gateway/model-policy.ts';

/** As much of an agent folder as says which models it names. */
export interface FolderModels {
  readonly settings: {
    readonly model?: string | undefined;
    readonly fallbackModel?: string | undefined;
    readonly chatModels?: readonly string[] | undefined;
    readonly claude?: Readonly<Record<string, unknown>> | undefined;
  };
  readonly agents: Readonly<Record<string, { readonly model?: string | undefined }>>;
  readonly skills: readonly { readonly model?: string | undefined }[];
}

/** The same in short, for a worker that does not have the folder. */
export const namedModelsSchema = z.strictObject({
  model: z.string().optional(),
  fallbackModel: z.string().optional(),
  /** That the people of a chat may choose. */
  chatModels: z.array(z.string()).optional(),
  /** Of subagents and skills. */
  others: z.array(z.string()).default([]),
});
export type NamedModels = z.infer<typeof namedModelsSchema>;

export function namedModelsOf({ settings, agents, skills }: FolderModels): NamedModels {
  const { model, fallbackModel, chatModels } = settings;
  const ofClaude = settings.claude?.model;
  const others = [
    typeof ofClaude === 'string' ? ofClaude : undefined,
    ...Object.values(agents).map((agent) => agent.model),
    ...skills.map((skill) => skill.model),
  ].filter((name) => name !== undefined);
  return {
    ...(model === undefined ? {} : { model }),
    ...(fallbackModel === undefined ? {} : { fallbackModel }),
    ...(chatModels === undefined ? {} : { chatModels: [...chatModels] }),
    others: [...new Set(others)],
  };
}

export function folderModelsOf({ others, ...settings }: NamedModels): FolderModels {
  return { settings, agents: Object.fromEntries(others.map((model) => [model, { model }])), skills: [] };
}

/** `served`: the server's own choice, used when the folder names none. */
export function turnModels(folder: FolderModels, served?: string): readonly string[] {
  const { model, others } = namedModelsOf(folder);
  const main = model ?? served;
  const own = [...(main === undefined ? [] : [main]), ...others];
  return [...new Set([...own, ...(main === undefined ? CLI_DEFAULT_MODELS : []), ...CLI_SMALL_MODELS])];
}
