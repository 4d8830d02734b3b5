// Who may have a session as a file: the admins that the agent folder names, by the speaker of the turn.
import type { AgentRun } from '../core/ports/execution.ts';
import { isListed, speakerOf } from '../core/principal.ts';
import type { AgentFolder } from './agent-folder-schema.ts';

/** Fails closed: without a list nobody may. */
export function mayTake(
  { settings }: Pick<AgentFolder, 'settings'>,
  { request }: Pick<AgentRun, 'request'>,
): boolean {
  return isListed(settings.admins ?? [], speakerOf(request));
}

export const NOT_AN_ADMIN =
  'Only admins of this bot may have that (`admins` in the settings.json of its agent folder).';
