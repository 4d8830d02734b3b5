// A local installation from the very files that are deployed, built for the occasion.
import { join } from 'node:path';
import { buildFunctions } from '../../scripts/functions.mjs';
import { assembleTree } from '../../scripts/image.mjs';
import { type InstallationOptions, startInstallation } from '../../testing/lambda/installation.ts';

/** `folder`: for the built files, too; the caller removes it. */
export async function startBuiltInstallation(options: Omit<InstallationOptions, 'functions' | 'image'>) {
  const [functions, image] = [join(options.folder, 'functions'), join(options.folder, 'image')];
  await Promise.all([buildFunctions(functions), assembleTree(image)]);
  return await startInstallation({ ...options, functions, image });
}
