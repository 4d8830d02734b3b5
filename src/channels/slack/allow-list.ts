// Who may talk to the app: people of Slack by their ids, and channels in which everybody of the workspace may. Fails closed:
// an empty or malformed list allows nobody, and `anyone` means the workspace's own people. Somebody of another company,
// who is there by Slack Connect, is let in by a list that names them with their workspace (`T0…:U0…`) and by nothing else.

export const ANYONE = 'anyone';

export interface AllowList {
  readonly users: ReadonlySet<string> | 'anyone';
  readonly channels: ReadonlySet<string> | 'anyone';
  /** Why nobody is allowed, in one sentence for the operator; null when somebody is. */
  readonly problem: string | null;
}

/** Whose id this is. `team`: of the workspace that the person belongs to; null where Slack does not say. */
export interface SlackPerson {
  readonly id: string;
  readonly team: string | null;
}

export const USER_ID = /^(?:[TE][A-Z0-9]{2,30}:)?[UW][A-Z0-9]{2,30}$/;
export const CHANNEL_ID = /^[CG][A-Z0-9]{2,30}$/;

/** Anything but lists of ids or `anyone` allows nobody: a list with a slip in it is not the list that was meant. */
export function parseAllowList(users: unknown, channels: unknown = []): AllowList {
  const people = parseIds(users, USER_ID, 'users');
  const places = parseIds(channels, CHANNEL_ID, 'channels');
  const wrong = people.wrong ?? places.wrong;
  if (wrong !== null) return nobody(wrong);
  if (isEmpty(people.ids) && isEmpty(places.ids)) {
    return nobody('No Slack user is allowed: the list is empty.');
  }
  return { users: people.ids, channels: places.ids, problem: null };
}

/** A person as the list and the ledger name them: those of the workspace itself by id alone. */
export function personId({ id, team }: SlackPerson, home: string): string {
  return team === home ? id : `${team ?? 'unknown'}:${id}`;
}

/** Whether this person, writing in this channel (null: in a conversation of their own with the app), is let in. */
export function isAllowed(
  { users, channels }: AllowList,
  person: SlackPerson,
  home: string,
  channel: string | null,
): boolean {
  if (users !== ANYONE && users.has(personId(person, home))) return true;
  // Whose workspace is not known counts as a stranger.
  if (person.team !== home) return false;
  if (users === ANYONE) return true;
  return channel !== null && (channels === ANYONE || channels.has(channel));
}

function parseIds(value: unknown, shape: RegExp, what: string) {
  if (value === ANYONE) return { ids: ANYONE, wrong: null } as const;
  const none = new Set<string>();
  if (!Array.isArray(value)) {
    return { ids: none, wrong: `The list of allowed Slack ${what} is not a list of ids.` };
  }
  const wrong = value.filter((entry) => typeof entry !== 'string' || !shape.test(entry)).length;
  if (wrong === 0) return { ids: new Set(value as string[]), wrong: null };
  const of = `${wrong} malformed entry(s) of ${value.length}`;
  return { ids: none, wrong: `The list of allowed Slack ${what} has ${of}; ids are not names.` };
}

function isEmpty(ids: ReadonlySet<string> | 'anyone'): boolean {
  return ids !== ANYONE && ids.size === 0;
}

function nobody(problem: string): AllowList {
  return { users: new Set(), channels: new Set(), problem };
}
