// Commands that the installation's agent folder adds, read at synthesis: who offers and explains them has no agent folder.

import { offeredCommands } from '../agent/folder-commands.ts';
import { Invalid } from '../core/errors.ts';
import { VARIABLES } from '../lambda/variables.ts';
import { readAgentSettings } from './read-agent-settings.ts';

/** All variables of a function together may have 4 KB. */
const MAX_BYTES = 1_000;

/** JSON; '' where there are none. `folders`: by name; '' is the installation's own. */
export function offeredCommandsOf({ '': own }: Readonly<Record<string, string>>): string {
  if (own === undefined) return '';
  const offered = offeredCommands(readAgentSettings(own));
  if (offered.length === 0) return '';
  const text = JSON.stringify(offered);
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new Invalid(
      'too-many-commands',
      `The agent folder adds too many commands (${text.length} bytes).`,
      {
        advice: `Names and helps may have ${MAX_BYTES} bytes together: shorten \`help\` or the skills' descriptions, or take some out.`,
      },
    );
  }
  return text;
}

export function commandVariables(folders: Readonly<Record<string, string>>): Record<string, string> {
  const text = offeredCommandsOf(folders);
  return text === '' ? {} : { [VARIABLES.commands]: text };
}
