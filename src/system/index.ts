// The program interface.
export { openSystem } from './open-system.ts';
export type { AwsSettings, LocalSettings, SystemSettings } from './settings.ts';
export type * from './system.ts';
