// `openSystem`: a system for a program of yours, on this machine or in front of an installation on AWS. The two are
// loaded when they are asked for: a back-end that only sends loads neither the Agent SDK nor SQLite.
import type { SystemSettings } from './settings.ts';
import type { System } from './system.ts';

/** Throws `Invalid` that names the setting, before anything is started. */
export async function openSystem(settings: SystemSettings = {}): Promise<System> {
  if ('aws' in settings) return await (await import('../aws/open-system.ts')).openAwsSystem(settings);
  return await (await import('../local/open-system.ts')).openLocal(settings);
}
