// The triggers of an agent folder as a file of the deployment: the function that takes events has no agent folder.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type Trigger, triggerSchema } from './trigger-file.ts';

export const TRIGGERS_FILE = 'triggers.json';

export function writtenTriggers(triggers: readonly Trigger[]): string {
  return JSON.stringify(triggers);
}

/** None where the deployment wrote none. */
export async function readTriggers(file: string): Promise<readonly Trigger[]> {
  if (!existsSync(file)) return [];
  return z.array(triggerSchema).parse(JSON.parse(await readFile(file, 'utf8')));
}
