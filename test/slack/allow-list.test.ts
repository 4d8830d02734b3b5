// Who is let in, by property: nobody who is not named, and no stranger of another company unless by both ids.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANYONE, isAllowed, parseAllowList, personId } from '../../src/channels/slack/allow-list.ts';

const HOME = 'T0HOME';
const id = (first: string) =>
  fc
    .string({ unit: fc.constantFrom(...'ABCDE0123'), minLength: 3, maxLength: 6 })
    .map((rest) => first + rest);
const people = fc.array(fc.oneof(id('U'), id('W')));
const places = fc.oneof(fc.constant(ANYONE), fc.array(id('C')));

test('a person of the workspace is let in by their id, by their channel or by `anyone`, and by nothing else', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.constant(ANYONE), people),
      places,
      id('U'),
      fc.option(id('C')),
      (users, channels, who, where) => {
        const allow = parseAllowList(users, channels);
        const named = users === ANYONE || users.includes(who);
        const inChannel = where !== null && (channels === ANYONE || channels.includes(where));
        expect(isAllowed(allow, { id: who, team: HOME }, HOME, where)).toBe(named || inChannel);
      },
    ),
  );
});

test('somebody of another workspace, or of one that is not known, is let in by both ids alone', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.constant(ANYONE), people),
      places,
      id('U'),
      fc.option(id('T')),
      (users, channels, who, other) => {
        const person = { id: who, team: other };
        const allow = parseAllowList(users, channels);
        expect(isAllowed(allow, person, HOME, 'C0ONE')).toBe(false);
        if (other === null || users === ANYONE) return;
        const named = parseAllowList([...users, `${other}:${who}`], channels);
        expect(isAllowed(named, person, HOME, 'C0ONE')).toBe(true);
        expect(personId(person, HOME)).toBe(`${other}:${who}`);
      },
    ),
  );
});

test.each([
  [undefined, []],
  ['U0ANNA', []],
  [['anna'], []],
  [['U0ANNA', ''], []],
  [['U0ANNA', 7], []],
  [[['U0ANNA']], []],
  ['everybody', []],
  [['U0ANNA'], ['general']],
  [['U0ANNA'], 'C0GENERAL'],
  [[], []],
])('users %j, channels %j: a list with a slip in it allows nobody, and says so', (users, channels) => {
  const allow = parseAllowList(users, channels);
  expect(allow.problem).toMatch(/Slack/);
  expect(isAllowed(allow, { id: 'U0ANNA', team: HOME }, HOME, 'C0GENERAL')).toBe(false);
});
