// What of this installation a host program of ours needs to see: the Node that runs us, this package's code, and the
// packages that it uses. Nothing else in the folder of a checkout, where settings and keys may lie.
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PACKAGE_ROOT } from '../../package-root.ts';

const OWN = ['package.json', 'dist', 'src', 'node_modules', 'examples'];

/** For `directories.readOnly`. */
export function programPaths(execPath = process.execPath, packageRoot = PACKAGE_ROOT): string[] {
  const own = OWN.map((name) => join(packageRoot, name));
  return [...nodePaths(execPath), ...own, ...packagesAbove(packageRoot)].filter((path) => existsSync(path));
}

/** The program, and npm when it is in the same tree. */
function nodePaths(execPath: string): string[] {
  const prefix = dirname(dirname(execPath));
  try {
    realpathSync(join(prefix, 'lib', 'node_modules', 'npm'));
    return [execPath, join(prefix, 'lib', 'node_modules'), join(prefix, 'bin')];
  } catch {
    return [execPath];
  }
}

/** Installed as somebody's dependency, the packages that it uses lie beside it. */
function packagesAbove(packageRoot: string): string[] {
  const found: string[] = [];
  for (let folder = dirname(packageRoot); folder !== dirname(folder); folder = dirname(folder)) {
    if (basename(folder) === 'node_modules') found.push(folder);
  }
  return found;
}
