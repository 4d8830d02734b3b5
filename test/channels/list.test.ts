// Rules for every channel of the list, and that only its folder and the list know a channel by name.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { faultsOf, sharedNames } from '../../src/channels/check-channel.ts';
import {
  asVariables,
  decodeSettings,
  encodeSettings,
  fromVariables,
  madeSecrets,
  parametersIn,
} from '../../src/channels/deployed.ts';
import type { ChannelDescriptor, Part } from '../../src/channels/descriptor.ts';
import { CHANNELS } from '../../src/channels/index.ts';
import { WITH_PAGER } from './pager/descriptor.ts';

const root = join(import.meta.dirname, '../..');
const list: readonly ChannelDescriptor[] = WITH_PAGER;
const PARTS: readonly Part[] = ['outgoing', 'webhook', 'poller', 'setup'];
test.each(list.map((channel) => [channel.name, channel] as const))('%s is well-formed', (_name, channel) => {
  expect(faultsOf(channel)).toEqual([]);
});

test('names and variables are unique', () => {
  expect(sharedNames(list)).toEqual([]);
});

describe('outside its folder', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));

  test.each(
    (CHANNELS as readonly ChannelDescriptor[])
      // The API's channel has the name of a protocol.
      .filter(({ name }) => name !== 'http')
      .map(({ name }) => name),
  )('%s is named by the list alone, and has a page of its own', (name) => {
    const naming = files.filter(
      (file) =>
        !file.startsWith(join('src', 'channels', name)) &&
        readFileSync(join(root, file), 'utf8').toLowerCase().replaceAll('@wecom/crypto', '').includes(name),
    );
    expect(naming).toEqual([join('src', 'channels', 'index.ts')]);
    expect(existsSync(join(root, 'docs', `${name}.md`))).toBe(true);
  });
});

describe('settings on their way to a function', () => {
  const values: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    telegram: {
      tokenParameter: '/a/token',
      allowedUsers: [1, 2_000_000_000_000],
      allowedGroups: [-5],
      apiRoot: 'http://b/?c=[1]',
      gatherPasteMs: 250,
      maxFileMegabytes: 50,
      groups: { default: 'all', chats: { '-5': 'commands' } },
      drafts: false,
      answer: 'new-message',
    },
    slack: {
      tokenParameter: '/a/slack',
      signingSecretParameter: '/a/signing',
      appTokenParameter: '/a/app',
      apiUrl: 'http://b/api/',
      streaming: false,
      allowedUsers: ['U012AB3CD', 'T0OTHER:U0FRIEND'],
      allowedChannels: 'anyone',
    },
    pager: {
      tokenParameter: '/p',
      pagers: ['1', '[2]', '', '"', 'ä,b'],
      apiRoot: 'http://p',
      signature: '',
    },
  };
  const deployed = list.flatMap((channel) => {
    const section = values[channel.name];
    return section ? [[channel.name, channel, section] as const] : [];
  });

  test.each(deployed)(
    '%s: every part gets its own ones, unchanged, and no others',
    (_name, channel, section) => {
      const made = madeSecrets(channel, (name) => `/made/${name}`);
      for (const part of PARTS) {
        const encoded = encodeSettings(channel, part, section, made);
        const own = Object.entries(channel.settings).filter(([, { usedBy }]) => usedBy.includes(part));
        expect(Object.keys(encoded).sort()).toEqual(own.map(([field]) => field).sort());
        const variables = asVariables(channel, encoded);
        expect(fromVariables(channel, part, variables)).toEqual(encoded);
        const secrets = new Map(
          parametersIn(channel, encoded).map((name) => [name, sampleSecret(channel, name)]),
        );
        const decoded = decodeSettings(channel, part, encoded, secrets);
        for (const [field, { kind }] of own) {
          expect(decoded[field], field).toEqual(
            kind === 'secret' ? sampleSecret(channel, encoded[field]) : section[field],
          );
        }
      }
    },
  );

  test.each(deployed)('%s: a variable or a secret that is missing is named', (_name, channel, section) => {
    const encoded = encodeSettings(channel, 'outgoing', section, {});
    expect(() => fromVariables(channel, 'outgoing', {})).toThrow(/_TOKEN_PARAMETER is missing/);
    expect(() => decodeSettings(channel, 'outgoing', encoded, new Map())).toThrow(/_TOKEN_PARAMETER: /);
  });
});

function sampleSecret({ name }: ChannelDescriptor, parameter = ''): string {
  if (parameter === '/a/app') return 'xapp-1-A1';
  return { telegram: '42:abc', slack: 'xoxb-1-signing-secret' }[name] ?? 'pt-12345678';
}
