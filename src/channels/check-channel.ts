// What every channel of a list has to be, whoever wrote it: a name that can stand in keys, paths and variables, settings that
// somebody can give, and nothing that a part asks for and no other tells.
import type { ChannelDescriptor } from './descriptor.ts';

/** First parts of the local server's own paths. */
const TAKEN: ReadonlySet<string> = new Set(['v1', 'assets', 'healthz', 'openapi', 'metrics', 'bots']);

/** Sentences that say what is wrong with it, for whoever wrote it; none for a good one. */
export function faultsOf(channel: ChannelDescriptor): readonly string[] {
  const { name, settings, webhook } = channel;
  const faults: string[] = [];
  if (!/^[a-z][a-z0-9]{1,30}$/.test(name))
    faults.push('its name is no lower-case word of 2 to 31 characters');
  if (TAKEN.has(name)) faults.push(`the name "${name}" is a path of the server`);
  for (const [field, setting] of Object.entries(settings)) {
    const fault = (what: string) => faults.push(`setting ${field}: ${what}`);
    if (!/^[a-z][A-Za-z0-9]*$/.test(field)) fault('its name is not in camel case');
    if (setting.usedBy.length === 0) fault('no part uses it');
    if (setting.kind === 'secret' && !setting.made && !setting.env) fault('a secret needs a variable');
    if (setting.usedBy.includes('poller') && !channel.poller) fault('there is no poller to use it');
    if (setting.usedBy.includes('webhook') && !webhook) fault('there is no webhook to use it');
  }
  for (const { path } of webhook?.routes ?? []) {
    if (!/^(\/[\w:.-]+)*$/.test(path)) faults.push(`the route "${path}" is no path`);
  }
  // What a webhook is told of the account, somebody must ask for.
  if (channel.identity && !channel.setup?.identify) faults.push('it has an identity and no setup.identify');
  return faults;
}

/** Names and variables that two channels of the list share. */
export function sharedNames(channels: readonly ChannelDescriptor[]): readonly string[] {
  const names = channels.map(({ name }) => name);
  const variables = channels.flatMap(({ settings }) =>
    Object.values(settings).flatMap(({ env }) => env ?? []),
  );
  return [names, variables].flatMap((list) => list.filter((one, at) => list.indexOf(one) !== at));
}
