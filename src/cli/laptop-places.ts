// Where the files of a session's configuration lie on a computer whose CLI is the user's own. Transcripts are below a name
// made of the working directory's path; tasks, file history and the like below the conversation's id. Whatever else the
// session holds has no place there and is kept aside. Nothing of the user's is named here.
import { lstat, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PROJECT_DIRECTORY } from '../agent/environment.ts';
import { isExcluded } from '../state/excluded.ts';

const PROJECTS = 'projects';
/** The CLI's own limit for a name made of a path; longer ones end in a hash. */
const MAX_NAME_LENGTH = 200;
const LONGEST_NAME = new RegExp(`^.{${MAX_NAME_LENGTH}}`);

/** One file or folder of the session, by its path below the configuration, stored and here. */
export interface Place {
  readonly stored: string;
  readonly here: string;
  /** Other working directories of the same session have it under the same name. */
  readonly shared: boolean;
}

/** As the CLI names the folder of a working directory's transcripts. `folder` is a real path. */
export function projectName(folder: string): string {
  // The same form of letters as the CLI compares.
  const path = folder.normalize('NFC');
  const name = path.replace(/[^a-zA-Z0-9]/g, '-');
  if (name.length <= MAX_NAME_LENGTH) return name;
  let hash = 0;
  for (let at = 0; at < path.length; at++) hash = ((hash << 5) - hash + path.charCodeAt(at)) | 0;
  // Of letters, digits and dashes only.
  const [start = ''] = LONGEST_NAME.exec(name) ?? [];
  return `${start}-${Math.abs(hash).toString(36)}`;
}

/** The session's files in a stored configuration that the user's CLI looks for. */
export async function placesOf(config: string, agentSession: string, project: string): Promise<Place[]> {
  return [
    ...(await ownPlaces(join(config, PROJECTS, PROJECT_DIRECTORY), agentSession, project)),
    ...(await sharedPlaces(config, agentSession)),
  ];
}

/** The same, found where the user's CLI keeps them; `shared`: the folder that holds what is below the conversation's id. */
export async function placesHere(
  claude: string,
  shared: string,
  agentSession: string,
  project: string,
): Promise<Place[]> {
  return [
    ...(await ownPlaces(join(claude, PROJECTS, project), agentSession, project)),
    ...(await sharedPlaces(shared, agentSession)),
  ];
}

/** Conversations in the same working directory that are not the session's, the newest last. */
export async function otherConversations(
  claude: string,
  agentSession: string,
  project: string,
): Promise<string[]> {
  const names = await readdir(join(claude, PROJECTS, project)).catch(() => []);
  return names
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => basename(name, '.jsonl'))
    .filter((id) => id !== agentSession);
}

async function ownPlaces(folder: string, agentSession: string, project: string): Promise<Place[]> {
  const own = new Set([`${agentSession}.jsonl`, agentSession, 'memory']);
  const names = (await readdir(folder).catch(() => [])).filter((name) => own.has(name));
  const places = await Promise.all(
    names.map(async (name) => {
      if (!(await isPlain(join(folder, name)))) return [];
      const stored = join(PROJECTS, PROJECT_DIRECTORY, name);
      return [{ stored, here: join(PROJECTS, project, name), shared: false }];
    }),
  );
  return places.flat();
}

async function sharedPlaces(config: string, agentSession: string): Promise<Place[]> {
  const isOurs = (name: string) =>
    name === agentSession || name.startsWith(`${agentSession}.`) || name.startsWith(`${agentSession}-`);
  const folders = (await readdir(config, { withFileTypes: true }).catch(() => [])).filter(
    (entry) => entry.isDirectory() && entry.name !== PROJECTS && !isExcluded(`config/${entry.name}`),
  );
  const places = await Promise.all(
    folders.map(async ({ name: folder }) => {
      const names = (await readdir(join(config, folder)).catch(() => [])).filter(isOurs);
      return await Promise.all(
        names.map(async (name): Promise<Place[]> => {
          if (!(await isPlain(join(config, folder, name)))) return [];
          const path = join(folder, name);
          return [{ stored: path, here: path, shared: true }];
        }),
      );
    }),
  );
  return places.flat(2);
}

/** An agent wrote these: no link of it is laid among the user's files. */
async function isPlain(path: string): Promise<boolean> {
  const found = await lstat(path);
  if (found.isFile()) return true;
  if (!found.isDirectory()) return false;
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true }))
    if (!entry.isFile() && !entry.isDirectory()) return false;
  return true;
}
