// A local installation from the very files that are deployed, built for the occasion.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildFunctions } from '../../scripts/functions.mjs';
import { assembleTree } from '../../scripts/image.mjs';
import { hasSignIns, serverListsIn } from '../../src/cdk/tool-servers.ts';
import { SERVER_LIST_FILE, writtenServerLists } from '../../src/tool-servers/server-list.ts';
import { type InstallationOptions, startInstallation } from '../../testing/lambda/installation.ts';

/** `folder`: for the built files, too; the caller removes it. `programs`: see scripts/functions.mjs. */
export async function startBuiltInstallation(
  options: Omit<InstallationOptions, 'functions' | 'image' | 'signIns'> & {
    readonly programs?: string;
    /** Agent folder; the example without one. */
    readonly agent?: string;
  },
) {
  const [functions, image] = [join(options.folder, 'functions'), join(options.folder, 'image')];
  const built = options.programs === undefined ? {} : { programs: options.programs };
  const { agent } = options;
  await Promise.all([
    buildFunctions(functions, built),
    assembleTree(image, { ...built, ...(agent === undefined ? {} : { agent }) }),
  ]);
  // As the deployment does for the gateway.
  const pages = options.agents === 'isolated';
  const toolServers = serverListsIn(agent ? { '': agent } : {}, { pages });
  if (agent) await writeFile(join(functions, SERVER_LIST_FILE), writtenServerLists(toolServers));
  return await startInstallation({ ...options, functions, image, signIns: hasSignIns(toolServers) });
}
