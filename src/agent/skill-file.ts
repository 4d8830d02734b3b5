// The front matter of a SKILL.md: `name` and `description`.
import { join } from 'node:path';
import { settingFault } from '../setting-fault.ts';
import { type Skill, skillSchema } from './agent-folder-schema.ts';
import { badFolder } from './bad-folder.ts';
import { frontMatterOf } from './front-matter.ts';

export function readSkill(folder: string, directory: string, text: string | undefined): Skill {
  const file = `skills/${directory}/SKILL.md`;
  if (text === undefined) {
    throw badFolder(`${file}: missing.`, 'Every folder in skills/ holds a SKILL.md.');
  }
  const front = frontMatterOf(text);
  if (front === null) {
    throw badFolder(`${file}: no front matter.`, 'Begin it with ---, name: and description: lines, and ---.');
  }
  const parsed = skillSchema.safeParse(front.fields);
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
