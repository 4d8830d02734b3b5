// Commands that an installation adds to those that every chat knows: fixed replies and skills of its agent folder. They are
// offered and explained here; what one does is the agent folder's affair (src/agent/folder-commands.ts), so to the queue
// such a message is one like any other.
import { z } from 'zod';
import { COMMANDS } from './commands.ts';

/** As every platform takes it. */
export const OFFERED_NAME = /^[a-z][a-z0-9_]{0,31}$/;
export const MAX_OFFERED = 50;
const MAX_HELP = 200;

const offeredCommandSchema = z.strictObject({
  name: z.string().regex(OFFERED_NAME, 'use lower-case letters, digits and "_", at most 32'),
  help: z.string().min(1).max(MAX_HELP),
});
export type OfferedCommand = z.infer<typeof offeredCommandSchema>;

export const offeredCommandsSchema = z.array(offeredCommandSchema).max(MAX_OFFERED);

/** Names that mean something already; `/start` is what a platform sends first. */
export function isTakenName(name: string): boolean {
  const known: readonly string[] = [...COMMANDS.map((one) => one.name), 'compact', 'drop', 'start'];
  return known.includes(name);
}

/** What `/help` says. */
export function helpText(offered: readonly OfferedCommand[] = []): string {
  const known = COMMANDS.map(({ usage, help }) => `\`${usage}\` – ${help}`);
  const added = offered.map(({ name, help }) => `\`/${name}\` – ${help}`);
  return [...known, ...added].join('  \n');
}
