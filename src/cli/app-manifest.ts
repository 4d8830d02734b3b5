// `init --CHANNEL`: prints what a platform asks for when an app is made there, and makes nothing.
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { Invalid } from '../core/errors.ts';
import type { CliContext } from './context.ts';

export async function printManifest(
  { terminal }: CliContext,
  { init }: ChannelDescriptor,
  address: string | null,
): Promise<void> {
  if (address !== null && URL.parse(address)?.protocol !== 'https:') {
    throw new Invalid('bad-address', `${address} is not an https address.`, {
      advice: 'Give the address at which the platform reaches you, such as --url https://agent.example.com.',
    });
  }
  terminal.json(await init?.manifest?.(address));
}
