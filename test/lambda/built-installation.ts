// A local installation from the very files that are deployed, built for the occasion.
import { join } from 'node:path';
import { buildFunctions } from '../../scripts/functions.mjs';
import { assembleTree } from '../../scripts/image.mjs';
import { type InstallationOptions, startInstallation } from '../../testing/lambda/installation.ts';

/** `folder`: for the built files, too; the caller removes it. `programs`: see scripts/functions.mjs. */
export async function startBuiltInstallation(
  options: Omit<InstallationOptions, 'functions' | 'image'> & { readonly programs?: string },
) {
  const [functions, image] = [join(options.folder, 'functions'), join(options.folder, 'image')];
  const built = options.programs === undefined ? {} : { programs: options.programs };
  await Promise.all([buildFunctions(functions, built), assembleTree(image, built)]);
  return await startInstallation({ ...options, functions, image });
}
