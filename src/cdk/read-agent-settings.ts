// What an agent folder says, as far as a deployment needs it: read at synthesis, where faults in it are refused before
// anything is deployed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import {
  type AgentSettings,
  agentsSchema,
  type Skill,
  settingsSchema,
} from '../agent/agent-folder-schema.ts';
import { readSkill } from '../agent/skill-file.ts';
import { Invalid } from '../core/errors.ts';
import { settingFault } from '../setting-fault.ts';

export interface ReadAgentSettings {
  readonly settings: Partial<AgentSettings>;
  readonly agents: z.infer<typeof agentsSchema>;
  readonly skills: readonly Skill[];
}

export function readAgentSettings(folder: string): ReadAgentSettings {
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
  return { settings, agents, skills };
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
