// The channels among the exports of a module: what `defineChannel` made, in whichever copy of this package.
import type { ChannelDescriptor } from './descriptor.ts';

/** What a module exports that is a channel, under whatever names. */
export function channelsIn(module: object): readonly ChannelDescriptor[] {
  return [...new Set(Object.values(module))].filter(isChannel);
}

function isChannel(value: unknown): value is ChannelDescriptor {
  if (typeof value !== 'object' || value === null) return false;
  const { name, settings, outgoing } = value as Partial<ChannelDescriptor>;
  return typeof name === 'string' && typeof settings === 'object' && typeof outgoing === 'function';
}
