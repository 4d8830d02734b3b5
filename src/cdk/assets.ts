// Finds the code to deploy: the ZIP's folder and the image's build context. `npm run build` makes both, and they are
// part of the package. At synthesis the agent folder is added to the image's context; Docker runs only when the stack
// is deployed.
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { FileSystem } from 'aws-cdk-lib';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { Architecture, Code, DockerImageCode } from 'aws-cdk-lib/aws-lambda';
import { FOLDER_NAME } from '../agent/named-folders.ts';
import { Invalid } from '../core/errors.ts';
import { copyAgentFiles } from './agent-files.ts';
import { bundleChannels, OWN_CHANNELS_FILE } from './own-channels.ts';

export interface Assets {
  readonly functions: Code;
  /** The same, with one more file in it. */
  readonly functionsWith: (file: string, content: string) => Code;
  /** `handler`: what it runs. */
  readonly agentImage: (handler: string) => AgentImage;
  /** What is known of the folders in the image, by name: '' is the installation's own. */
  readonly agentFolders: Readonly<Record<string, string>>;
}

export interface AgentImage {
  readonly code: DockerImageCode;
  /** Removes the temporary build context. Call it once the function construct exists: CDK has its own copy then. */
  removeContext(): void;
}

// From `src` while developing, from `dist/src` in the package.
const packageRoot = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? '../..' : '../../..');
const builtAssets = join(packageRoot, 'dist/deploy');
const exampleAgent = join(packageRoot, 'examples/agent');

export function assetsFrom(options: {
  readonly folder: string | undefined;
  readonly agentFolder: string | undefined;
  /** Below it those that tenants may be given. */
  readonly tenantFolders: string | undefined;
  /** Then the folder in it is only known if it is named. */
  readonly hasOwnImage: boolean;
  /** Files of modules with channels of one's own. */
  readonly channelModules: readonly string[];
  readonly architecture: Architecture;
}): Assets {
  const folder = options.folder ?? builtAssets;
  const functions = join(folder, 'functions');
  const image = join(folder, 'image');
  for (const needed of [functions, image]) {
    if (!existsSync(needed)) {
      throw new Error(
        `${basename(needed)} of the deployment is not built: run \`npm run build\` (looked in ${folder}).`,
      );
    }
  }
  const own = options.agentFolder ?? (options.hasOwnImage ? undefined : exampleAgent);
  const named = namedFolders(options.tenantFolders);
  const ownChannels = options.channelModules.length === 0 ? null : bundleChannels(options.channelModules);
  const functionsAnd = (files: Readonly<Record<string, string>>) => {
    const copy = FileSystem.mkdtemp('hybrid-sessions-functions-');
    cpSync(functions, copy, { recursive: true });
    for (const [file, content] of Object.entries(files)) writeFileSync(join(copy, file), content);
    return Code.fromAsset(copy);
  };
  const added: Record<string, string> = ownChannels === null ? {} : { [OWN_CHANNELS_FILE]: ownChannels };
  return {
    agentFolders: { ...(own === undefined ? {} : { '': own }), ...named },
    functions: ownChannels === null ? Code.fromAsset(functions) : functionsAnd(added),
    functionsWith: (file, content) => functionsAnd({ ...added, [file]: content }),
    agentImage: (handler) => {
      const context = FileSystem.mkdtemp('hybrid-sessions-image-');
      cpSync(image, context, { recursive: true });
      copyAgentFiles(options.agentFolder ?? exampleAgent, join(context, 'task/agent'));
      for (const [name, path] of Object.entries(named))
        copyAgentFiles(path, join(context, 'task/agents', name));
      if (ownChannels !== null) writeFileSync(join(context, 'task', OWN_CHANNELS_FILE), ownChannels);
      const arm = options.architecture === Architecture.ARM_64;
      return {
        code: DockerImageCode.fromImageAsset(context, {
          platform: arm ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
          cmd: [handler],
        }),
        removeContext: () => rmSync(context, { recursive: true, force: true }),
      };
    },
  };
}

function namedFolders(folder: string | undefined): Record<string, string> {
  if (folder === undefined) return {};
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name);
  const wrong = names.find((name) => !FOLDER_NAME.test(name));
  if (wrong !== undefined) {
    throw new Invalid('bad-agent-folder', `${wrong}: no name of an agent folder.`, {
      advice: 'Use letters, digits, ".", "_" and "-", up to 100 of them.',
    });
  }
  return Object.fromEntries(names.map((name) => [name, join(folder, name)]));
}
