// Channels that this package does not bring: modules named by a setting, each of which exports what `defineChannel` made.
// They are loaded in every process that needs the list, so a module does nothing but export; whoever names one trusts it
// as the program itself.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { Invalid } from '../core/errors.ts';
import { channelsIn } from './channels-in.ts';
import { faultsOf, sharedNames } from './check-channel.ts';
import type { ChannelDescriptor } from './descriptor.ts';

/** Files of the modules: paths from `folder`, or packages that are installed there. Throws `Invalid('bad-channel')`. */
export function locateModules(specifiers: readonly string[], folder: string): readonly string[] {
  const require = createRequire(resolve(folder, 'channels.js'));
  return specifiers.map((specifier) => {
    try {
      return require.resolve(/^\.{1,2}\/|^\//.test(specifier) ? resolve(folder, specifier) : specifier);
    } catch (cause) {
      const isHidden = (cause as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED';
      throw new Invalid(
        'bad-channel',
        `channelModules: ${isHidden ? `the package does not export ${specifier} under \`default\`` : `there is no module ${specifier}`}.`,
        {
          cause,
          advice: `Name a file with its extension (./my-channel.ts), or a package that is installed in ${folder}.`,
        },
      );
    }
  });
}

/** `channels` and those that the files export. Throws `Invalid('bad-channel')` for one that cannot be in the list. */
export function withOwnChannels(
  channels: readonly ChannelDescriptor[],
  files: readonly string[],
): readonly ChannelDescriptor[] {
  const own = files.flatMap((file) => {
    const found = channelsIn(load(file));
    if (found.length > 0) return found;
    throw wrong(file, 'exports no channel', 'Export what `defineChannel` returns.');
  });
  for (const channel of own) {
    const [fault] = faultsOf(channel);
    if (fault) throw wrong(channel.name, fault);
  }
  const all = [...channels, ...own];
  const [taken] = sharedNames(all);
  if (taken !== undefined) throw wrong(taken, 'the name is taken by another channel');
  return all;
}

function load(file: string): object {
  try {
    return createRequire(file)(file) as object;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const waits = code === 'ERR_REQUIRE_ASYNC_MODULE';
    throw new Invalid(
      'bad-channel',
      `channelModules: ${file} ${waits ? 'awaits at its top level' : `fails: ${message}`}.`,
      { cause, advice: waits ? 'Import what it waits for in the method that needs it.' : 'Mend the module.' },
    );
  }
}

function wrong(what: string, fault: string, advice = 'docs/channels.md says what a channel is.'): Invalid {
  return new Invalid('bad-channel', `channelModules: ${what}: ${fault}.`, { advice });
}
