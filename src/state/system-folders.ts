// Folders of the operating system: the same kind of files on every machine of a kind, not an agent's to write. A link
// from the working directory into one of them is kept as it is (a Python venv has such a link to its interpreter).

export const SYSTEM_FOLDERS: readonly string[] = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/nix/store',
];

/** True for an absolute path below a system folder that no `..` can lead out of it. */
export function isSystemPath(path: string): boolean {
  return SYSTEM_FOLDERS.some((folder) => path.startsWith(`${folder}/`)) && !path.split('/').includes('..');
}
