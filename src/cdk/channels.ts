// The channels of an installation: checks what the construct's props say about each one, and decides which function
// gets which of its settings.
import { z } from 'zod';
import {
  asVariables,
  type DeployedSection,
  deployedSchema,
  type EncodedSettings,
  encodeSettings,
  madeSecrets,
  parametersIn,
} from '../channels/deployed.ts';
import type { ChannelDescriptor, Part } from '../channels/descriptor.ts';
import { VARIABLES } from '../lambda/variables.ts';

export interface InstalledChannel {
  readonly channel: ChannelDescriptor;
  /** Names of the secrets that the deployment makes. */
  readonly generatedSecrets: readonly string[];
  settings(part: Part): EncodedSettings;
}

/** The channels that have settings in `props`, under the channel's name. Throws for settings that are wrong. */
export function installedChannels(
  channels: readonly ChannelDescriptor[],
  props: Readonly<Record<string, unknown>>,
  secretName: (name: string) => string,
): readonly InstalledChannel[] {
  return channels.flatMap((channel) => {
    const schema = deployedSchema(channel);
    const given = props[channel.name];
    if (schema === null || given === undefined) return [];
    const parsed = schema.safeParse(given);
    if (!parsed.success) throw new Error(`${channel.name}: ${z.prettifyError(parsed.error)}`);
    const section: DeployedSection = parsed.data;
    const made = madeSecrets(channel, secretName);
    return {
      channel,
      generatedSecrets: Object.values(made),
      settings: (part: Part) => encodeSettings(channel, part, section, made),
    };
  });
}

/** The environment variables of a function that runs this part of every channel. */
export function channelEnvironment(
  installed: readonly InstalledChannel[],
  part: Part,
): Record<string, string> {
  const variables = installed.map(({ channel, settings }) => asVariables(channel, settings(part)));
  const names = installed.map(({ channel }) => channel.name).join(',');
  return Object.assign(names === '' ? {} : { [VARIABLES.channels]: names }, ...variables);
}

/** The parameters that a function with this part of every channel reads. */
export function channelParameters(installed: readonly InstalledChannel[], part: Part): readonly string[] {
  return installed.flatMap(({ channel, settings }) => parametersIn(channel, settings(part)));
}
