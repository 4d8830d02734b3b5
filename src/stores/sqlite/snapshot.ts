// A copy of a database as it is at one moment, while other processes go on writing to it.
import { closeSync, openSync } from 'node:fs';
import type { SessionHead } from '../../core/records.ts';
import { openDatabase } from './database.ts';
import { headOf } from './rows.ts';

/** Writes the copy to `to`, which must not exist yet, and returns the heads of all sessions in it. */
export function snapshotDatabase(path: string, to: string): readonly SessionHead[] {
  // Made here, for nobody else to read: SQLite would leave the mode to the umask.
  closeSync(openSync(to, 'wx', 0o600));
  const source = openDatabase(path);
  try {
    source.get('VACUUM INTO ?', to);
  } finally {
    source.close();
  }
  const copy = openDatabase(to);
  try {
    return copy.all('SELECT * FROM heads').map(headOf);
  } finally {
    copy.close();
  }
}
