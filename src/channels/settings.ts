// Settings of channels in a local system: each from its environment variable, the rest from the channel's section of
// the configuration file. A channel is on where one of its secrets is set; then all that its parts here need must be.
import { z } from 'zod';
import { Invalid } from '../core/errors.ts';
import type { ChannelDescriptor, ConfigSetting, Part, Settings } from './descriptor.ts';

/** Plain JSON by field: it travels to worker processes. */
export type ChannelSettings = Readonly<Record<string, unknown>>;

/** Settings of the channels that are on, by name. */
export type ChannelsSettings = Readonly<Record<string, ChannelSettings>>;

type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration file's sections, by channel. Every field may be left out while the channel is off. */
export function fileSections(channels: readonly ChannelDescriptor[]): Record<string, z.ZodType> {
  const sections = channels.flatMap((channel) => {
    const fields = Object.entries(channel.settings).flatMap(([name, setting]) =>
      isInFile(setting) ? [[name, optional(setting.schema)] as const] : [],
    );
    return fields.length === 0 ? [] : [[channel.name, fields] as const];
  });
  return Object.fromEntries(
    sections.map(([name, fields]) => [name, z.strictObject(Object.fromEntries(fields)).prefault({})]),
  );
}

/** null where the channel is off. Throws `Invalid('bad-config')` naming the variable or the field. */
export function readChannelSettings(
  channel: ChannelDescriptor,
  env: Environment,
  section: unknown,
): ChannelSettings | null {
  const settings = Object.entries(channel.settings);
  const secrets = settings.filter(([, setting]) => setting.kind === 'secret');
  if (secrets.length > 0 && !secrets.some(([, { env: name }]) => name && env[name])) return null;
  const given = Object.fromEntries(secrets.map(([field, { env: name }]) => [field, name && env[name]]));
  const parts: readonly Part[] = ['outgoing', pollerOf(channel, given) ? 'poller' : 'webhook'];
  const values = settings.flatMap(([field, setting]) => {
    const value = isInFile(setting)
      ? (section as Record<string, unknown> | undefined)?.[field]
      : (setting.env && env[setting.env]) || undefined;
    const needed = setting.usedBy.some((part) => parts.includes(part));
    if (setting.kind === 'secret' && value === undefined && !needed) return [];
    const parsed = setting.schema.safeParse(value);
    if (parsed.success) return parsed.data === undefined ? [] : [[field, parsed.data] as const];
    throw wrong(setting.env ?? `${channel.name}.${field}`, value, parsed.error, setting.about);
  });
  return Object.fromEntries(values);
}

/** What is no secret of a channel's settings, as far as it is given and right: for bots that the registry names. */
export function channelConfiguration(
  channel: ChannelDescriptor,
  env: Environment,
  section: unknown,
): ChannelSettings {
  const values = Object.entries(channel.settings).flatMap(([field, setting]) => {
    if (setting.kind === 'secret') return [];
    const { env: variable } = setting;
    const inFile = (section as Record<string, unknown> | undefined)?.[field];
    const parsed = setting.schema.safeParse(variable === undefined ? inFile : env[variable] || undefined);
    return parsed.success && parsed.data !== undefined ? [[field, parsed.data] as const] : [];
  });
  return Object.fromEntries(values);
}

/** The way in of a channel on one machine: it polls where it can, else it takes webhooks. */
export function pollerOf(
  { poller }: ChannelDescriptor,
  secrets: Readonly<Record<string, unknown>>,
): ChannelDescriptor['poller'] {
  return poller?.by === undefined || secrets[poller.by] ? poller : undefined;
}

/** Only what that part may know. */
export function settingsOf<P extends Part>(
  channel: ChannelDescriptor,
  part: P,
  values: ChannelSettings,
): ChannelSettings {
  const known = Object.keys(values).filter((field) => channel.settings[field]?.usedBy.includes(part));
  return Object.fromEntries(known.map((field) => [field, values[field]]));
}

/** How to switch it on, for an operator: its variables that hold secrets. */
export function switches(channel: ChannelDescriptor): readonly string[] {
  const secrets = Object.values(channel.settings).filter(({ kind }) => kind === 'secret');
  return secrets.flatMap(({ env }) => env ?? []);
}

function isInFile(setting: Settings[string]): setting is ConfigSetting {
  return setting.kind === 'config' && setting.env === undefined;
}

function optional(schema: z.ZodType): z.ZodType {
  return schema.safeParse(undefined).success ? schema : schema.optional();
}

function wrong(name: string, value: unknown, error: z.ZodError, about: string): Invalid {
  const what = value === undefined ? `is missing (${about})` : error.issues[0]?.message;
  return new Invalid('bad-config', `${name} ${what}.`, {
    advice: name.includes('.') ? 'Change the configuration file.' : 'Change the environment variable.',
  });
}
