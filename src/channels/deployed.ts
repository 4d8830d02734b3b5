// Settings of channels on AWS. A deployment's settings name secrets by their parameters; from there to a function each
// setting is one string: a secret's parameter by name, configuration as JSON. Functions get them as variables, the
// setup function as properties of its resources. Each part is given its own settings only.
import { z } from 'zod';
import { Invalid } from '../core/errors.ts';
import type { ChannelDescriptor, ConfigSetting, Part, SecretSetting, Settings } from './descriptor.ts';
import type { ChannelSettings } from './settings.ts';

/** Settings as they travel: by field, in strings. */
export type EncodedSettings = Readonly<Record<string, string>>;

/** A channel as a deployment's settings have it: names of parameters and configuration. */
export type DeployedSection = Readonly<Record<string, unknown>>;

type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'HYBRID_SESSIONS';
/** Parts that run on AWS. */
const DEPLOYED_PARTS: readonly Part[] = ['outgoing', 'webhook', 'setup'];

export const parameterName = z
  .string()
  .regex(/^\/[\w./-]{1,500}$/, 'must be the name of a parameter, beginning with /, never a secret itself');

/** null for a channel that has no settings: it is always there. */
export function deployedSchema(channel: ChannelDescriptor): z.ZodType<DeployedSection> | null {
  const fields = Object.entries(channel.settings).flatMap(([field, setting]) => {
    if (!setting.usedBy.some((part) => DEPLOYED_PARTS.includes(part))) return [];
    if (setting.kind === 'config') return [[field, setting.deploySchema ?? setting.schema] as const];
    return setting.made ? [] : [[`${field}Parameter`, parameterName] as const];
  });
  return Object.keys(channel.settings).length === 0 ? null : z.strictObject(Object.fromEntries(fields));
}

/** What `deployedSchema` takes, as a type. */
export type DeployedProps<S extends Settings> = {
  readonly [K in keyof S as GivenSecret<S[K], K>]: string;
} & {
  readonly [K in keyof S as S[K] extends ConfigSetting
    ? undefined extends DeployedInput<S[K]>
      ? never
      : K
    : never]: DeployedInput<S[K]>;
} & {
  readonly [K in keyof S as S[K] extends ConfigSetting
    ? undefined extends DeployedInput<S[K]>
      ? K
      : never
    : never]?: DeployedInput<S[K]>;
};

type GivenSecret<T, K> = T extends SecretSetting
  ? T extends { readonly made: true } | { readonly usedBy: readonly ['poller'] }
    ? never
    : `${K & string}Parameter`
  : never;
type DeployedInput<T> = T extends { readonly deploySchema: infer D extends z.ZodType }
  ? ReadonlyInput<z.input<D>>
  : T extends ConfigSetting
    ? ReadonlyInput<z.input<T['schema']>>
    : never;
type ReadonlyInput<V> = V extends readonly (infer E)[] ? readonly E[] : V;

/** Props of the channels of a list, by their names. */
export type ChannelProps<List extends readonly ChannelDescriptor[]> = {
  readonly [D in List[number] as keyof D['settings'] extends never ? never : D['name']]?: DeployedProps<
    D['settings']
  >;
};

/** Secrets that a deployment makes, by field, under names of its own. */
export function madeSecrets(
  channel: ChannelDescriptor,
  secretName: (name: string) => string,
): Readonly<Record<string, string>> {
  const made = Object.entries(channel.settings).filter(
    ([, setting]) => setting.kind === 'secret' && setting.made,
  );
  return Object.fromEntries(
    made.map(([field]) => [field, secretName(`${channel.name}-${words(field).join('-')}`)]),
  );
}

/** What one part is given. `made` names the parameters that the deployment makes. */
export function encodeSettings(
  channel: ChannelDescriptor,
  part: Part,
  section: DeployedSection,
  made: Readonly<Record<string, string>>,
): EncodedSettings {
  const encoded = settingsUsedBy(channel, part).flatMap(([field, setting]) => {
    const value =
      setting.kind === 'config'
        ? JSON.stringify(section[field])
        : setting.made
          ? made[field]
          : section[`${field}Parameter`];
    return typeof value === 'string' ? [[field, value] as const] : [];
  });
  return Object.fromEntries(encoded);
}

/** Names of the parameters among them. */
export function parametersIn(channel: ChannelDescriptor, encoded: EncodedSettings): readonly string[] {
  return Object.entries(encoded).flatMap(([field, value]) =>
    channel.settings[field]?.kind === 'secret' ? [value] : [],
  );
}

/** The values themselves. Throws `Invalid('bad-config')` naming what is missing or wrong, never its value. */
export function decodeSettings(
  channel: ChannelDescriptor,
  part: Part,
  encoded: EncodedSettings,
  secrets: ReadonlyMap<string, string>,
): ChannelSettings {
  const values = settingsUsedBy(channel, part).map(([field, setting]) => {
    const given = encoded[field];
    const value =
      setting.kind === 'secret' ? secrets.get(given ?? '') : given === undefined ? given : parse(given);
    const parsed = setting.schema.safeParse(value);
    if (parsed.success) return [field, parsed.data] as const;
    const name = variableOf(channel, field);
    throw new Invalid(
      'bad-config',
      `This function is not set up: ${name}: ${parsed.error.issues[0]?.message}.`,
    );
  });
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

/** What is no secret among them. */
export function decodeConfiguration(channel: ChannelDescriptor, encoded: EncodedSettings): ChannelSettings {
  const values = Object.entries(encoded).filter(([field]) => channel.settings[field]?.kind === 'config');
  return Object.fromEntries(values.map(([field, text]) => [field, parse(text)]));
}

/** What is no JSON is what somebody wrote by hand; the schema has the last word. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Variable of a function: one setting, or one fact of the channel's identity. A secret's holds a parameter's name. */
export function variableOf(channel: ChannelDescriptor, field: string): string {
  const secret = channel.settings[field]?.kind === 'secret' ? ['parameter'] : [];
  return [PREFIX, channel.name, ...words(field), ...secret].join('_').toUpperCase();
}

export function asVariables(
  channel: ChannelDescriptor,
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([field, value]) => [variableOf(channel, field), value]),
  );
}

/** The inverse of `asVariables`, as far as that part is concerned. Throws as `decodeSettings` does. */
export function fromVariables(channel: ChannelDescriptor, part: Part, env: Environment): EncodedSettings {
  const encoded = settingsUsedBy(channel, part).flatMap(([field, setting]) => {
    const value = env[variableOf(channel, field)];
    if (value) return [[field, value] as const];
    if (setting.kind === 'config') return [];
    throw notSetUp(channel, field);
  });
  return Object.fromEntries(encoded);
}

/** Who the channel is, as asked at deployment. */
export function identityFrom(channel: ChannelDescriptor, env: Environment): Record<string, string> {
  const facts = (channel.identity ?? []).map((fact) => {
    const value = env[variableOf(channel, fact)];
    if (value) return [fact, value] as const;
    throw notSetUp(channel, fact);
  });
  return Object.fromEntries(facts);
}

function notSetUp(channel: ChannelDescriptor, field: string): Invalid {
  return new Invalid('bad-config', `This function is not set up: ${variableOf(channel, field)} is missing.`);
}

function settingsUsedBy(channel: ChannelDescriptor, part: Part) {
  return Object.entries(channel.settings).filter(([, { usedBy }]) => usedBy.includes(part));
}

/** `webhookSecret` -> webhook, secret. */
function words(field: string): string[] {
  return field.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
