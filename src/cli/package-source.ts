// Where this package came from, as a project's package.json names it: npm wrote it down when it installed the package.
// A file or a repository is named as such; nothing is asked of a registry that the package did not come from.
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
  // No npm beside it: a checkout.
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
