// Finds out where npm installed this package from, to name the same source in a new project's package.json. A file or a
// repository is named as such, so that no registry is asked for a package that did not come from it.
import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PackageSource {
  readonly packageRoot: string;
  readonly name: string;
  readonly version: string;
  /** Folder of the package.json that will name it. */
  readonly project: string;
}

export function packageSource({ packageRoot, name, version, project }: PackageSource): string {
  const file = (path: string) => `file:${relative(project, path).replaceAll('\\', '/')}`;
  const installed = join(packageRoot, '..');
  const lock = join(installed, '.package-lock.json');
  // npm left no record, so this is a checkout.
  if (!existsSync(lock)) return file(packageRoot);
  const { packages = {} } = JSON.parse(readFileSync(lock, 'utf8')) as {
    packages?: Record<string, { resolved?: string }>;
  };
  const resolved = packages[`node_modules/${name}`]?.resolved;
  if (resolved?.startsWith('file:///')) return file(fileURLToPath(resolved));
  if (resolved?.startsWith('file:')) return file(resolve(installed, '..', resolved.slice('file:'.length)));
  if (resolved && /^git[+:]|^ssh:/.test(resolved)) return resolved;
  return `^${version}`;
}
