// What no channel of a list may be, each fault by its sentence; and names that two channels share.
import { expect, test } from 'vitest';
import { faultsOf, sharedNames } from '../../src/channels/check-channel.ts';
import type { ChannelDescriptor } from '../../src/channels/descriptor.ts';
import { pager } from './pager/descriptor.ts';

const { token, callSecret } = pager.settings;
const good: ChannelDescriptor = pager;
const with_ = (change: object): ChannelDescriptor => ({ ...good, ...change }) as ChannelDescriptor;
const { webhook: _, ...withoutWebhook } = good;
const { env: __, ...nameless } = token;

test.each([
  [with_({ name: 'Pager' }), 'its name is no lower-case word of 2 to 31 characters'],
  [with_({ name: 'p' }), 'its name is no lower-case word of 2 to 31 characters'],
  [with_({ name: 'assets' }), 'the name "assets" is a path of the server'],
  [with_({ settings: { 'api-root': token } }), 'setting api-root: its name is not in camel case'],
  [with_({ settings: { token: { ...token, usedBy: [] } } }), 'setting token: no part uses it'],
  [with_({ settings: { token: nameless } }), 'setting token: a secret needs a variable'],
  [
    with_({ settings: { token: { ...token, usedBy: ['poller'] } } }),
    'setting token: there is no poller to use it',
  ],
  [
    { ...withoutWebhook, settings: { callSecret } } as ChannelDescriptor,
    'setting callSecret: there is no webhook to use it',
  ],
  [with_({ webhook: { routes: [{ method: 'GET', path: 'a b' }] } }), 'the route "a b" is no path'],
  [with_({ setup: {} }), 'it has an identity and no setup.identify'],
] as const)('%#', (channel, fault) => {
  expect(faultsOf(channel)).toEqual([fault]);
});

test('a good one has none, and shares nothing; a second one of the same name does', () => {
  expect(faultsOf(good)).toEqual([]);
  expect(sharedNames([good])).toEqual([]);
  expect(sharedNames([good, with_({ settings: {} })])).toEqual(['pager']);
  expect(sharedNames([good, with_({ name: 'other' })])).toEqual([
    'PAGER_TOKEN',
    'PAGER_CALL_SECRET',
    'PAGER_API_ROOT',
  ]);
});
