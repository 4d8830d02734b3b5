// The front matter of a SKILL.md: `name` and `description` between two `---` lines. Plain `key: value` lines,
// quoted values and folded (`>`, `|`) values; no other YAML.
import { join } from 'node:path';
import { settingFault } from '../setting-fault.ts';
import { type Skill, skillSchema } from './agent-folder-schema.ts';
import { badFolder } from './bad-folder.ts';

export function readSkill(folder: string, directory: string, text: string | undefined): Skill {
  const file = `skills/${directory}/SKILL.md`;
  if (text === undefined) {
    throw badFolder(`${file}: missing.`, 'Every folder in skills/ holds a SKILL.md.');
  }
  const front = /^---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(text)?.[1];
  if (front === undefined) {
    throw badFolder(`${file}: no front matter.`, 'Begin it with ---, name: and description: lines, and ---.');
  }
  const parsed = skillSchema.safeParse(fieldsOf(front));
  if (!parsed.success) {
    throw badFolder(
      `${file}: ${settingFault(parsed.error)}.`,
      'The front matter needs a name (the folder name) and a description (when to use the skill).',
      parsed.error,
    );
  }
  if (parsed.data.name !== directory) {
    throw badFolder(
      `${file}: name: "${parsed.data.name}" is not the name of its folder, "${directory}".`,
      'Give both the same name.',
    );
  }
  return { ...parsed.data, path: join(folder, 'skills', directory) };
}

function fieldsOf(front: string): Record<string, string> {
  const fields: Record<string, string> = {};
  let folded: string | null = null;
  for (const line of front.split(/\r?\n/)) {
    const match = /^([A-Za-z][\w-]*):[ \t]*(.*)$/.exec(line);
    if (match) {
      const [, key = '', value = ''] = match;
      folded = /^[>|][+-]?$/.test(value.trim()) ? key : null;
      fields[key] = folded === null ? unquote(value.trim()) : '';
    } else if (folded !== null) {
      fields[folded] = `${fields[folded]} ${line.trim()}`.trim();
    }
  }
  return fields;
}

function unquote(value: string): string {
  const quoted = /^(["'])([\s\S]*)\1$/.exec(value);
  return quoted ? (quoted[2] ?? '') : value;
}
