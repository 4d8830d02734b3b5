// The models that agent folders name, read at synthesis: the worker of isolated agents does not have the folders, and its tokens
// allow no other model. A folder with faults in it is refused here, before it is deployed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { agentsSchema, settingsSchema } from '../agent/agent-folder-schema.ts';
import { readSkill } from '../agent/skill-file.ts';
import { type NamedModels, namedModelsOf } from '../agent/turn-models.ts';
import { Invalid } from '../core/errors.ts';
import { VARIABLES } from '../lambda/variables.ts';
import { settingFault } from '../setting-fault.ts';

/** All variables of a function together may have 4 KB. */
const MAX_BYTES = 2_000;

/** `folders`: by name; '' is the installation's own. */
export function agentModelVariables(folders: Readonly<Record<string, string>>): Record<string, string> {
  const models = Object.entries(folders).map(([name, folder]) => [name, modelsOf(folder)] as const);
  const text = JSON.stringify(Object.fromEntries(models));
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new Invalid('too-many-models', `The agent folders name too many models (${text.length} bytes).`, {
      advice: `Their names may have ${MAX_BYTES} bytes together: name fewer models, or shorter ones (such as "opus").`,
    });
  }
  return { [VARIABLES.agentModels]: text };
}

/** What the folder says of time; the functions' machines have none of their own but UTC. */
export function folderTimeZone(folder: string | undefined): string {
  const settings = folder === undefined ? null : read(folder, 'settings.json', settingsSchema);
  return settings?.timezone ?? 'UTC';
}

function modelsOf(folder: string): NamedModels {
  const settings = read(folder, 'settings.json', settingsSchema) ?? {};
  const agents = read(folder, 'agents.json', agentsSchema) ?? {};
  const below = join(folder, 'skills');
  const names = existsSync(below)
    ? readdirSync(below, { withFileTypes: true }).filter(
        (entry) => entry.isDirectory() && !entry.name.startsWith('.'),
      )
    : [];
  const skills = names.map(({ name }) => {
    const file = join(below, name, 'SKILL.md');
    return readSkill(folder, name, existsSync(file) ? readFileSync(file, 'utf8') : undefined);
  });
  return namedModelsOf({ settings, agents, skills });
}

function read<T extends z.ZodType>(folder: string, name: string, schema: T): z.infer<T> | null {
  const file = join(folder, name);
  if (!existsSync(file)) return null;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw bad(`${file}: not JSON.`, cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw bad(`${file}: ${settingFault(parsed.error)}.`, parsed.error);
}

function bad(message: string, cause: unknown): Invalid {
  return new Invalid('bad-agent-folder', message, {
    cause,
    advice: 'See docs/agent-folder.md for the fields of this file.',
  });
}
