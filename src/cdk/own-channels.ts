// Channels of one's own, on their way to the functions: bundled with all that they import into one file, which lies beside
// the functions' own in the ZIP and in the image. esbuild does it, as for other TypeScript functions in CDK.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Invalid } from '../core/errors.ts';
import { PACKAGE_ROOT } from '../package-root.ts';

export const OWN_CHANNELS_FILE = 'own-channels.mjs';

interface Bundler {
  buildSync(options: object): { readonly outputFiles: readonly { readonly text: string }[] };
}

/** The text of the file: an array `modules`, one for each file. */
export function bundleChannels(files: readonly string[]): string {
  const lines = files.map((file, at) => `import * as m${at} from ${JSON.stringify(file)};`);
  const names = files.map((_, at) => `m${at}`).join(', ');
  const { outputFiles } = findBundler().buildSync({
    stdin: { contents: `${lines.join('\n')}\nexport const modules = [${names}];`, resolveDir: process.cwd() },
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    minify: true,
    keepNames: true,
    legalComments: 'inline',
    logLevel: 'error',
    // Dependencies in CommonJS call `require` for Node's own modules.
    banner: {
      js: "import{createRequire as $require}from'node:module';const require=$require(import.meta.url);",
    },
  });
  return outputFiles[0]?.text ?? '';
}

/** The project's own esbuild, else that beside this package. */
function findBundler(): Bundler {
  for (const folder of [process.cwd(), PACKAGE_ROOT]) {
    try {
      return createRequire(join(folder, 'package.json'))('esbuild') as Bundler;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Invalid(
    'no-esbuild',
    'Channels of your own are bundled by esbuild, which is not installed here.',
    {
      advice: 'Run: npm install --save-dev esbuild',
    },
  );
}
