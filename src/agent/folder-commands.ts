// Commands that an agent folder adds to a chat: fixed replies of its settings.json, which cost no model, and skills that are
// marked as commands, which the agent is told to use. Names are those that chat platforms take.
import { isTakenName, MAX_OFFERED, OFFERED_NAME, type OfferedCommand } from '../core/offered-commands.ts';
import { oneLine } from '../text/cut-text.ts';
import type { AgentFolder } from './agent-folder-schema.ts';
import { badFolder } from './bad-folder.ts';

type Folder = Pick<AgentFolder, 'skills'> & {
  readonly settings: { readonly replies?: AgentFolder['settings']['replies'] };
};

const MAX_HELP = 200;

/** What is offered while one types, and explained by `/help`. */
export function offeredCommands({ settings, skills }: Folder): readonly OfferedCommand[] {
  const replies = Object.entries(settings.replies ?? {}).map(([name, reply]) => {
    const { text, help } = replyOf(reply);
    return { name, help: oneLine(help ?? text, MAX_HELP) };
  });
  const ofSkills = skills
    .filter(({ command }) => command)
    .map(({ name, description }) => ({ name: commandName(name), help: oneLine(description, MAX_HELP) }));
  return [...replies, ...ofSkills];
}

/** Throws where a name is none, or means something already. */
export function checkCommands(folder: Folder, tools: readonly string[]): void {
  const offered = offeredCommands(folder);
  for (const [at, { name }] of offered.entries()) {
    const where =
      name in (folder.settings.replies ?? {}) ? `settings.json: replies.${name}` : `skill "${name}"`;
    if (!OFFERED_NAME.test(name)) {
      throw badFolder(
        `${where}: no name of a command.`,
        'Use lower-case letters, digits and "_", at most 32.',
      );
    }
    if (isTakenName(name) || offered.findIndex((one) => one.name === name) !== at) {
      throw badFolder(`${where}: there is a command "/${name}" already.`, 'Take another name.');
    }
  }
  const unusable = tools.includes('Skill') ? null : folder.skills.find((one) => one.command);
  if (unusable) {
    throw badFolder(
      `skill "${unusable.name}": is a command, but the agent may not use skills.`,
      'Put "Skill" into tools.allow of settings.json.',
    );
  }
  if (offered.length > MAX_OFFERED) {
    throw badFolder(`More than ${MAX_OFFERED} commands.`, 'Take some out of replies, or mark fewer skills.');
  }
}

export type FolderCommand = { readonly reply: string } | { readonly prompt: string };

/** null for a message that is none of them. In a group a command may name the bot. */
export function folderCommandOf({ settings, skills }: Folder, text: string): FolderCommand | null {
  const [, written = '', behind = ''] =
    /^\/(\w{1,32})(?:@\w{3,64})?(?:\s+([\s\S]*))?$/.exec(text.trim()) ?? [];
  const name = written.toLowerCase();
  const reply = Object.entries(settings.replies ?? {}).find(([known]) => known === name)?.[1];
  if (reply !== undefined && behind.trim() === '') return { reply: replyOf(reply).text };
  const skill = skills.find((one) => one.command && commandName(one.name) === name);
  if (!skill) return null;
  return {
    prompt: `Use your skill \`${skill.name}\` for this.${behind === '' ? '' : `\n\n${behind.trim()}`}`,
  };
}

function replyOf(reply: NonNullable<AgentFolder['settings']['replies']>[string]) {
  return typeof reply === 'string' ? { text: reply, help: undefined } : reply;
}

function commandName(skill: string): string {
  return skill.replaceAll('-', '_');
}
