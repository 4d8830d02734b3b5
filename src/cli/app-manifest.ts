// `init --CHANNEL`: prints what a platform asks for when an app is made there, and makes nothing.
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { Invalid } from '../core/errors.ts';
import type { CliContext } from './context.ts';

/** Stands for an address that is not known yet. */
const NO_ADDRESS = 'https://YOUR-ADDRESS';

export async function printManifest(
  { terminal }: CliContext,
  { init }: ChannelDescriptor,
  address: string = NO_ADDRESS,
): Promise<void> {
  if (URL.parse(address)?.protocol !== 'https:') {
    throw new Invalid('bad-address', `${address} is not an https address.`, {
      advice: 'Give the address at which the platform reaches you, such as --url https://agent.example.com.',
    });
  }
  terminal.json(await init?.manifest?.(address));
}
