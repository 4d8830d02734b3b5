// Whatever bytes tenants, bots, chats and threads hold: no two share a key anywhere (session keys, DynamoDB, objects,
// files, SQLite's ranges), and no key of one tenant lies below what another tenant is given.
import { expect, test } from 'vitest';
import {
  type Conversation,
  type SessionId,
  sessionKeyOf,
  type Tenant,
  tenantId,
  turnIdOf,
} from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { packKey, prefixOf } from '../../src/state/record.ts';
import {
  botKeyOf,
  channelPrefix,
  conversationPartition,
  counterKey,
  eventsKey,
  headKey,
  mappingKey,
  orderKey,
  partitionPrefixes,
  type StateKey,
  tenantKey,
  tenantList,
  turnKey,
} from '../../src/stores/dynamodb/tables.ts';
import { keyOfPath, pathOfKey } from '../../src/stores/filesystem/object-path.ts';
import { afterPrefix, encodedChannel, keyPrefix } from '../../src/stores/rules/keys.ts';
import { createRandom } from '../../testing/faults/random.ts';

const PIECES = [
  'a',
  'A',
  'b',
  '0',
  '-',
  '_',
  '=',
  '=2F',
  '=2D',
  '/',
  '#',
  '~',
  '*',
  '?',
  '.',
  '..',
  '%',
  '%2F',
  ':',
  '+',
  ' ',
  '\0',
  '\n',
  '|',
  '\\',
  '"',
  "'",
  '$',
  '{',
  'ü',
  'u\u0308',
  '群',
  '👩‍👩‍👧',
  '\u202E',
  'session',
  'turn',
  'conversation',
  'T',
  'head',
];
const SAME_SESSION = '00000000-0000-4000-8000-000000000000' as SessionId;

/** Short, often alike, now and then as long as an id may be. */
function strings(seed: string, count: number): string[] {
  const random = createRandom(seed);
  const made = new Set<string>(PIECES);
  while (made.size < count) {
    let text = '';
    const pieces = random.chance(0.05) ? 256 : random.between(1, 4);
    for (let i = 0; i < pieces; i++) text += random.pick(PIECES);
    if (text.length <= 256 && text.isWellFormed()) made.add(text);
  }
  // Differ only where something may have been cut.
  return [
    ...made,
    'x'.repeat(255),
    'x'.repeat(256),
    `${'x'.repeat(255)}y`,
    '群'.repeat(256),
    `${'群'.repeat(255)}a`,
  ];
}

function conversations(count: number): Conversation[] {
  const random = createRandom('conversations');
  const ids = strings('ids', 150);
  const made = new Map<string, Conversation>();
  const add = (one: Conversation) => made.set(JSON.stringify(one), one);
  for (const id of ids) {
    // The same text at each place, and shifted from one place to the next.
    add({ tenant: id, channel: 'c', bot: 'b', chat: 'x', thread: null });
    add({ tenant: 't', channel: 'c', bot: id, chat: 'x', thread: null });
    add({ tenant: 't', channel: 'c', bot: 'b', chat: id, thread: null });
    add({ tenant: 't', channel: 'c', bot: 'b', chat: 'x', thread: id });
    add({ tenant: 't', channel: id, bot: 'b', chat: 'x', thread: null });
  }
  while (made.size < count) {
    const [tenant, channel, bot, chat] = [
      random.pick(ids),
      random.pick(ids),
      random.pick(ids),
      random.pick(ids),
    ];
    add({ tenant, channel, bot, chat, thread: random.chance(0.3) ? null : random.pick(ids) });
  }
  return [...made.values()];
}

const all = conversations(3_000);
const tenants = [...new Set(all.map(({ tenant }) => tenant))];

/** Fails when two different things have one name. */
function expectApart<T>(things: readonly T[], nameOf: (thing: T) => string): void {
  const names = new Map<string, T>();
  for (const thing of things) {
    const name = nameOf(thing);
    expect(names.get(name), name).toBeUndefined();
    names.set(name, thing);
  }
}

const itemOf = ({ pk, sk }: StateKey) => `${pk}\n${sk}`;

test(`${promise('TENANT')} no two conversations share a key of any store`, () => {
  expectApart(all, sessionKeyOf);
  expectApart(all, (one) => mappingKey(sessionKeyOf(one)).session_key.S);
  expectApart(all, (one) => conversationPartition(sessionKeyOf(one)));
  expectApart(all, (one) => turnIdOf(sessionKeyOf(one), 'same'));
  const items = all.flatMap((one) => {
    const key = sessionKeyOf(one);
    return [counterKey(key), orderKey(key, 1), orderKey(key, 11)];
  });
  expectApart(items, itemOf);
  for (const one of all) {
    expect(Buffer.byteLength(conversationPartition(sessionKeyOf(one)))).toBeLessThanOrEqual(2_048);
  }
});

test(`${promise('TENANT')} no two tenants share an item, an object or a file, even for one session id and one turn id`, () => {
  const items = tenants.flatMap((name) => {
    const tenant = tenantId(name);
    return [
      headKey(tenant, SAME_SESSION),
      turnKey(tenant, 'turn_same'),
      turnKey(tenant, 'turn_same', 'text'),
      eventsKey(tenant, 'turn_same', 1),
      { pk: tenantList(tenant), sk: '' },
      tenantKey(tenant),
    ];
  });
  expectApart(items, itemOf);
  const packs = tenants.map((name) => packKey({ tenant: tenantId(name), sessionId: SAME_SESSION }, '1-1-a'));
  expectApart(packs, (key) => key);
  // File systems may fold case and normalise Unicode.
  const stored = packs.filter((key) => Buffer.byteLength(key) <= 1_024);
  expect(stored.length).toBeGreaterThan(100);
  expectApart(stored, (key) => pathOfKey(key).join('/').toLowerCase().normalize('NFC'));
  for (const key of stored) {
    const path = pathOfKey(key);
    expect(keyOfPath(path)).toBe(key);
    for (const name of path) {
      expect(name).not.toMatch(/^\.|[/\\\0]/);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    }
  }
});

test(`${promise('TENANT')} what one tenant is given covers its own keys and no key of another`, () => {
  const some = tenants.slice(0, 120);
  const ranges = some.map((name) => {
    const tenant: Tenant = tenantId(name);
    const { mapping, state } = partitionPrefixes(tenant);
    const prefix = keyPrefix(tenant);
    return { name, tenant, mapping, state, from: prefix, to: afterPrefix(prefix), objects: `${tenant}/` };
  });
  const wrong: unknown[] = [];
  const owned = all.filter(({ tenant }) => some.includes(tenant)).slice(0, 400);
  for (const one of owned) {
    const key = sessionKeyOf(one);
    const tenant = tenantId(one.tenant);
    const partitions = [
      conversationPartition(key),
      headKey(tenant, SAME_SESSION).pk,
      turnKey(tenant, 'x').pk,
      eventsKey(tenant, 'x', 1).pk,
      tenantList(tenant),
      channelPrefix(tenant, encodedChannel(one.channel)),
    ];
    const common = [tenantKey(tenant).pk, botKeyOf('c', one.bot).pk];
    for (const range of ranges) {
      const isOwn = range.name === one.tenant;
      const covered = [
        mappingKey(key).session_key.S.startsWith(range.mapping),
        key >= range.from && key < range.to,
        prefixOf(tenant, SAME_SESSION).startsWith(range.objects),
        ...partitions.map((partition) => partition.startsWith(range.state)),
      ];
      const isWrong = covered.some((is) => is !== isOwn) || common.some((pk) => pk.startsWith(range.state));
      if (isWrong) wrong.push([one, range]);
    }
  }
  expect(wrong).toEqual([]);
  // What conditions match by pattern: nothing in a prefix is a wildcard.
  for (const { mapping, state } of ranges) expect(mapping + state).not.toMatch(/[*?$]/);
});

test(`${promise('TENANT')} no two bots share a claim`, () => {
  const bots = strings('bots', 200);
  const claims = bots.flatMap((bot) => [
    { channel: 'x', bot },
    { channel: 'x-x', bot },
    { channel: 'telegram', bot },
  ]);
  expectApart(claims, ({ channel, bot }) => itemOf(botKeyOf(channel, bot)));
});
