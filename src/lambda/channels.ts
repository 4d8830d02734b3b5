// The channels of an installation: those that need no settings, and those that the deployment names. Each function
// reads only the settings and secrets that its own part of a channel needs.
import {
  decodeConfiguration,
  decodeSettings,
  type EncodedSettings,
  fromVariables,
  parametersIn,
} from '../channels/deployed.ts';
import type { ChannelDescriptor, Part } from '../channels/descriptor.ts';
import { openOutgoing } from '../channels/outgoing.ts';
import type { ChannelSettings } from '../channels/settings.ts';
import type { Log } from '../core/log.ts';
import type { Channel, ChannelNotes, EventLog } from '../core/ports.ts';
import type { Environment } from './configuration.ts';
import { readParameters } from './parameters.ts';
import { VARIABLES } from './variables.ts';

/** Every write to the event log is billed, so text deltas are gathered for longer than on one machine. */
export const GATHER_MS = 300;

export interface DeployedChannel {
  readonly channel: ChannelDescriptor;
  /** Names of the parameters that hold its secrets. */
  readonly parameters: readonly string[];
  settings(secrets: ReadonlyMap<string, string>): ChannelSettings;
  /** What is no secret of them. */
  readonly configuration: ChannelSettings;
}

/** Throws `Invalid('bad-config')` that names the variable which is missing. */
export function readChannels(
  channels: readonly ChannelDescriptor[],
  part: Part,
  env: Environment,
): readonly DeployedChannel[] {
  const named = (env[VARIABLES.channels] ?? '').split(',');
  return channels
    .filter(({ name, settings }) => named.includes(name) || Object.keys(settings).length === 0)
    .map((channel) => deployedChannel(channel, part, fromVariables(channel, part, env)));
}

export function deployedChannel(
  channel: ChannelDescriptor,
  part: Part,
  encoded: EncodedSettings,
): DeployedChannel {
  return {
    channel,
    parameters: parametersIn(channel, encoded),
    settings: (secrets) => decodeSettings(channel, part, encoded, secrets),
    configuration: decodeConfiguration(channel, encoded),
  };
}

/** What every channel of a function is opened with. */
export interface SharedContext {
  readonly events: EventLog;
  readonly notes: ChannelNotes;
  readonly log: Log;
}

/** Opens the outgoing side of each channel, by name. */
export function openChannels(
  deployed: readonly DeployedChannel[],
  secrets: ReadonlyMap<string, string>,
  context: SharedContext,
): Promise<ReadonlyMap<string, Channel>> {
  const settings = new Map(deployed.map((one) => [one.channel, one.settings(secrets)]));
  return openOutgoing([...settings.keys()], (channel) => settings.get(channel) ?? null, {
    ...context,
    gatherMs: GATHER_MS,
  });
}

/** One channel for itself, with no secrets but its own: for telling people that the rest cannot be opened. */
export function channelOpener(
  deployed: readonly DeployedChannel[],
  context: SharedContext,
): (name: string) => Promise<Channel | undefined> {
  return async (name) => {
    const named = deployed.filter(({ channel }) => channel.name === name);
    const secrets = await readParameters(named.flatMap(({ parameters }) => parameters));
    return (await openChannels(named, secrets, context)).get(name);
  };
}
