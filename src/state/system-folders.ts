// Folders of the operating system. Machines of one kind have the same files there, and an agent does not write to them.
// A link from the workspace into one of them is stored as it is (a Python venv has such a link to its interpreter).

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

/** True for an absolute path below a system folder. A path with `..` could lead out of it, so it is false for those. */
export function isSystemPath(path: string): boolean {
  return SYSTEM_FOLDERS.some((folder) => path.startsWith(`${folder}/`)) && !path.split('/').includes('..');
}
