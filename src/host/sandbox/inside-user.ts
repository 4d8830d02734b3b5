// Who the inside runs as. For an ordinary user it is that user, shown under another number in a user namespace. Started by
// root it is a user of this host's own: no account of the machine, so it owns nothing, and what it uses is not counted
// together with another host's.
import { randomInt } from 'node:crypto';
import { chmod, chown, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Invalid } from '../../core/errors.ts';
import type { Bubblewrap } from './sandbox.ts';

/** What an ordinary user is called inside. */
const SHOWN_UID = 1_000;

/** No system gives out these numbers: above containers' ranges, below the sign bit. */
const OWN_UIDS = [0x7000_0001, 0x7ff0_0000] as const;
/** One for all hosts, so that what they may read need not be changed for each. */
const OWN_GID = 0x7000_0000;

export interface RunsAs {
  readonly uid: number;
  readonly gid: number;
  /** True when files must be given to it: it is not the user who we are. */
  readonly isOther: boolean;
}

export function runsAs(sandbox: Bubblewrap): RunsAs {
  if (sandbox.setpriv === null) return { uid: SHOWN_UID, gid: SHOWN_UID, isOther: false };
  return { uid: randomInt(...OWN_UIDS), gid: OWN_GID, isOther: true };
}

/** Checks that each is a folder of ours, no link in its place, and gives it to the inside. */
export async function handOver(folders: readonly string[], user: RunsAs): Promise<void> {
  for (const folder of folders) {
    const found = await lstat(folder);
    if (!found.isDirectory()) {
      throw new Invalid('sandbox-folder', `${folder} is not a folder.`, {
        advice: 'Something took its place. Remove it; the session is restored from its last saved state.',
      });
    }
    if (user.isOther) await chown(folder, user.uid, user.gid);
  }
}

/** Lets the inside connect to a socket of ours, by the group: hosts that were started before must go on reaching it. */
export async function handOverSocket(path: string, user: RunsAs): Promise<void> {
  if (!user.isOther) return;
  const { uid } = await lstat(path);
  await lchown(path, uid, user.gid);
  await chmod(path, 0o660);
}

/** Lets the inside read a file or folder that stays ours. Folders of ours above it keep everybody else out. */
export async function letRead(path: string, user: RunsAs): Promise<void> {
  if (!user.isOther) return;
  const { mode, uid, gid } = await lstat(path);
  const isFolder = (mode & FILE_KIND) === FOLDER;
  if (!isFolder && (mode & FILE_KIND) !== PLAIN_FILE) return;
  const may = isFolder ? 0o050 : 0o040;
  if (gid !== user.gid) await chown(path, uid, user.gid);
  if ((mode & may) !== may) await chmod(path, (mode & 0o777) | may);
  if (isFolder) for (const name of await readdir(path)) await letRead(join(path, name), user);
}

const FILE_KIND = 0o170_000;
const FOLDER = 0o040_000;
const PLAIN_FILE = 0o100_000;
