// Opens the outgoing side of every channel that is on, each with what it alone may know.
import type { Channel } from '../core/ports.ts';
import type { ChannelDescriptor, OutgoingContext } from './descriptor.ts';
import type { ChannelSettings } from './settings.ts';

/** Channels without settings are on without being named. */
export async function openOutgoing(
  channels: readonly ChannelDescriptor[],
  settingsFor: (channel: ChannelDescriptor) => ChannelSettings | null,
  context: Omit<OutgoingContext<ChannelSettings>, 'settings'>,
): Promise<ReadonlyMap<string, Channel>> {
  const opened = await Promise.all(
    channels.map(async (channel) => {
      const settings = settingsFor(channel);
      if (settings === null) return [];
      return [[channel.name, await channel.outgoing({ ...context, settings })] as const];
    }),
  );
  return new Map(opened.flat());
}
