// Who is heard, as one table: every way in, every kind of person, every kind of place, every kind of list. What is not said to
// be heard is not: strangers of Slack Connect, people whose company nobody names, and other apps above all.
import { describe, expect, test } from 'vitest';
import { ANYONE, parseAllowList } from '../../src/channels/slack/allow-list.ts';
import { questionsContent } from '../../src/channels/slack/buttons.ts';
import { parseEvent } from '../../src/channels/slack/parse-event.ts';
import { parsePress } from '../../src/channels/slack/parse-press.ts';
import { parseSlash } from '../../src/channels/slack/parse-slash.ts';
import { APP } from './fixture.ts';

/** `team`: of the person; null where Slack does not say. */
interface Person {
  readonly user: string;
  readonly team: string | null;
}

interface Place {
  readonly id: string;
  readonly type: string;
  /** With another company. */
  readonly isShared: boolean;
}

const PEOPLE = {
  'a listed person': { user: 'U0ANNA', team: 'T0HOME' },
  'another person of the workspace': { user: 'U0BOB', team: 'T0HOME' },
  'a listed id in another company': { user: 'U0ANNA', team: 'T0OTHER' },
  'a stranger of another company': { user: 'U0EVE', team: 'T0OTHER' },
  'a friend, named with their company': { user: 'U0FRIEND', team: 'T0PARTNER' },
  'that id in the workspace': { user: 'U0FRIEND', team: 'T0HOME' },
  'a listed id of nobody knows where': { user: 'U0ANNA', team: null },
} as const satisfies Record<string, Person>;

const PLACES = {
  'the direct conversation': { id: 'D0DIRECT', type: 'im', isShared: false },
  'a listed channel': { id: 'C0LISTED', type: 'channel', isShared: false },
  'a listed channel, shared': { id: 'C0LISTED', type: 'channel', isShared: true },
  'a listed private channel': { id: 'G0LISTED', type: 'group', isShared: false },
  'another channel': { id: 'C0OTHER', type: 'channel', isShared: false },
  'another channel, shared': { id: 'C0OTHER', type: 'channel', isShared: true },
  'a conversation of several': { id: 'G0SEVERAL', type: 'mpim', isShared: false },
} as const satisfies Record<string, Place>;

const NAMED = ['U0ANNA', 'T0PARTNER:U0FRIEND'];
const LISTED = ['C0LISTED', 'G0LISTED'];
const LISTS = {
  nobody: [[], []],
  'a list with a slip': [[...NAMED, 'anna'], LISTED],
  people: [NAMED, []],
  channels: [[], LISTED],
  'people and channels': [NAMED, LISTED],
  'anyone of the workspace': [ANYONE, []],
  'anyone in any channel': [[], ANYONE],
} as const;

type ListName = keyof typeof LISTS;
type PersonName = keyof typeof PEOPLE;

/** Said once more, in words: by whom each list is read, and where. */
function isHeard(list: ListName, who: PersonName, place: Place): boolean {
  const isHome =
    who === 'a listed person' ||
    who === 'another person of the workspace' ||
    who === 'that id in the workspace';
  const isNamed = who === 'a listed person' || who === 'a friend, named with their company';
  const isDirect = place.type === 'im';
  const isListed = place.id.endsWith('0LISTED');
  switch (list) {
    case 'nobody':
    case 'a list with a slip':
      return false;
    case 'people':
      return isNamed;
    case 'channels':
      return isHome && isListed;
    case 'people and channels':
      return isNamed || (isHome && isListed);
    case 'anyone of the workspace':
      return isHome;
    case 'anyone in any channel':
      return isHome && !isDirect;
  }
}

const message = ({ user, team }: Person, { id, type, isShared }: Place, over: object = {}) => ({
  ...{ type: 'event_callback', team_id: 'T0HOME', event_id: 'Ev1', is_ext_shared_channel: isShared },
  authorizations: [{ team_id: 'T0HOME', user_id: APP.botUserId, is_bot: true }],
  event: {
    ...{ type: type === 'im' ? 'message' : 'app_mention', channel: id, channel_type: type, user },
    ...{ text: `<@${APP.botUserId}> hello`, ts: '1700000000.000100' },
    ...(team === null ? {} : { team, ...(team === 'T0HOME' ? {} : { user_team: team, source_team: team }) }),
    ...over,
  },
});

const question = { id: 'q0123456789abcdef', call: 't', title: 'x', detail: 'x', format: 'command' };
const button = questionsContent([
  { ...question, covers: 'call', choice: null, answer: null, reasonFrom: null } as never,
]).blocks[0] as unknown as { elements: { action_id: string }[] };

/** Each way in, with the place and the person as Slack sends them. Unknown companies are none in a place of one company. */
const WAYS = {
  'a message': {
    parse: parseEvent,
    of: (person: Person, place: Place) => message(person, place),
  },
  'a file': {
    parse: parseEvent,
    of: (person: Person, place: Place) =>
      message(person, place, { type: 'message', subtype: 'file_share', files: [{ id: 'F1', name: 'x' }] }),
  },
  'an answer in a thread of the app': {
    parse: parseEvent,
    of: (person: Person, place: Place) =>
      message(person, place, {
        ...{ type: 'message', text: 'yes', thread_ts: '1600000000.000100', parent_user_id: APP.botUserId },
      }),
  },
  'a press': {
    parse: parsePress,
    of: ({ user, team }: Person, { id }: Place) => ({
      ...{ type: 'block_actions', channel: { id }, message: { ts: '1.2' }, team: { id: 'T0HOME' } },
      user: { id: user, ...(team === null ? {} : { team_id: team }) },
      actions: [{ action_id: button.elements[0]?.action_id, action_ts: '1.3' }],
    }),
  },
  'a slash command': {
    parse: parseSlash,
    of: ({ user, team }: Person, { id }: Place) => ({
      ...{ command: '/agent', text: 'new', channel_id: id, user_id: user, trigger_id: '1.2.3' },
      ...(team === null ? {} : { team_id: team }),
    }),
  },
} as const;

describe.each(Object.entries(WAYS))('%s', (wayName, { parse, of }) => {
  describe.each(Object.keys(LISTS) as ListName[])('where the list is: %s', (list) => {
    const [users, channels] = LISTS[list];
    const policy = { tenant: 'acme', allow: parseAllowList(users, channels) };

    test.each(Object.keys(PEOPLE) as PersonName[])('%s', (who) => {
      for (const [where, place] of Object.entries(PLACES)) {
        // Only of what was written does Slack say whether the place is shared; there an unknown company is a stranger's.
        const isMessage = parse === parseEvent;
        const person = PEOPLE[who];
        const asKnown = isMessage && person.team === null && !place.isShared ? 'a listed person' : who;
        const parsed = parse(of(person, place), APP, policy, 1);
        const heard = parsed.kind === 'turn' || parsed.kind === 'say';
        expect(heard, `${wayName} in ${where}`).toBe(isHeard(list, asKnown, place));
        if (parsed.kind !== 'turn') continue;
        const { team } = person;
        const name = team === null || team === 'T0HOME' ? person.user : `${team}:${person.user}`;
        expect(parsed.request.sender?.id, `${wayName} in ${where}`).toBe(name);
      }
    });
  });
});

test.each([
  ['another app', { bot_id: 'B0OTHER' }],
  ['the app itself', { user: APP.botUserId }],
  ['nobody', { user: undefined }],
  ['an app that shows a listed name', { user: 'U0ANNA', bot_id: 'B0OTHER', subtype: 'bot_message' }],
])('%s is never heard, whatever the list says', (_who, over) => {
  const policy = { tenant: 'acme', allow: parseAllowList(ANYONE, ANYONE) };
  for (const place of Object.values(PLACES)) {
    const parsed = parseEvent(message(PEOPLE['a listed person'], place, over), APP, policy, 1);
    expect(parsed.kind).toBe('ignore');
  }
});

test("an event of another workspace, or one that names no workspace, is nobody's", () => {
  const policy = { tenant: 'acme', allow: parseAllowList(ANYONE, ANYONE) };
  const whole = message(PEOPLE['a listed person'], PLACES['a listed channel']);
  for (const over of [
    { authorizations: [{ team_id: 'T0OTHER' }] },
    { authorizations: [], team_id: 'T0OTHER' },
    { authorizations: null, team_id: null },
  ]) {
    expect(parseEvent({ ...whole, ...over }, APP, policy, 1).kind).toBe('ignore');
  }
});
