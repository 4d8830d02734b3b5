// `backup create` and `backup restore`: the whole data folder of one machine, while it is in use.
import { resolve } from 'node:path';
import { type BackupResult, backUp, restoreBackup } from '../local/backup.ts';
import { readConfiguration } from '../local/configuration.ts';
import { dataFolder } from '../local/data-folder.ts';
import type { CliContext, DataOptions } from './context.ts';
import { bytesText, counted } from './terminal.ts';

export async function create(context: CliContext, dir: string, options: DataOptions): Promise<void> {
  const target = resolve(context.cwd, dir);
  const result = await backUp(dataFolder(dataDirOf(context, options)), target);
  report(context, options, 'Backed up', target, result);
}

export async function restore(context: CliContext, dir: string, options: DataOptions): Promise<void> {
  const target = dataDirOf(context, options);
  const result = await restoreBackup(resolve(context.cwd, dir), target);
  report(context, options, 'Restored', target, result);
}

function dataDirOf({ env, cwd }: CliContext, { data }: DataOptions): string {
  return readConfiguration({ env, cwd, overrides: data === undefined ? {} : { dataDir: data } }).dataDir;
}

function report(
  { terminal }: CliContext,
  { json }: DataOptions,
  done: string,
  folder: string,
  result: BackupResult,
): void {
  if (json) {
    terminal.json({ folder, ...result });
    return;
  }
  const { sessions, bytes } = result;
  terminal.line(`${done} ${counted(sessions, 'session')} to ${folder} (${bytesText(bytes)}).`);
}
