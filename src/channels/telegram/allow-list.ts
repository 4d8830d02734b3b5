// Who may talk to the bot: Telegram user ids, and groups in which everybody may. Fails closed: an empty or malformed list
// allows nobody, because a list with a slip in it is not the list that was meant; `anyone` has to be written.

export interface AllowList {
  readonly users: ReadonlySet<string> | 'anyone';
  readonly groups: ReadonlySet<string> | 'anyone';
  /** Why nobody is allowed, in one sentence for the operator; null when somebody is. */
  readonly problem: string | null;
}

export const ANYONE = 'anyone';

const USER = /^[1-9]\d{0,18}$/;
/** Ids of groups are negative. */
const GROUP = /^-[1-9]\d{0,18}$/;

/** Reads `"123, 456"` (commas or spaces), a list of ids, or `anyone`. Anything else allows nobody. */
export function parseAllowList(users: unknown, groups?: unknown): AllowList {
  const people = parseIds(users, USER, 'users', 'ids are plain numbers, not names');
  const chats = parseIds(groups, GROUP, 'groups', 'ids of groups are negative numbers');
  const wrong = people.wrong ?? chats.wrong;
  if (wrong !== null) return nobody(wrong);
  if (isEmpty(people.ids) && isEmpty(chats.ids)) {
    return nobody('No Telegram user is allowed: the list is empty.');
  }
  return { users: people.ids, groups: chats.ids, problem: null };
}

/** Whether this person, writing in this chat, is let in. */
export function isAllowed({ users, groups }: AllowList, userId: string, groupId: string | null): boolean {
  if (users === ANYONE || users.has(userId)) return true;
  return groupId !== null && (groups === ANYONE || groups.has(groupId));
}

function parseIds(value: unknown, shape: RegExp, what: string, rule: string) {
  if (value === ANYONE) return { ids: ANYONE, wrong: null } as const;
  const entries = listed(value);
  const none = new Set<string>();
  if (entries === null)
    return { ids: none, wrong: `The list of allowed Telegram ${what} is not a list of ids.` };
  const wrong = entries.filter((entry) => !shape.test(entry)).length;
  if (wrong === 0) return { ids: new Set(entries), wrong: null };
  return {
    ids: none,
    wrong: `The list of allowed Telegram ${what} has ${wrong} malformed entry(s) of ${entries.length}; ${rule}.`,
  };
}

function listed(value: unknown): readonly string[] | null {
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return value.split(/[\s,;]+/).filter((entry) => entry !== '');
  if (!Array.isArray(value)) return null;
  return value.map((entry) =>
    typeof entry === 'number' ? String(entry) : typeof entry === 'string' ? entry.trim() : '',
  );
}

function isEmpty(ids: ReadonlySet<string> | 'anyone'): boolean {
  return ids !== ANYONE && ids.size === 0;
}

function nobody(problem: string): AllowList {
  return { users: new Set(), groups: new Set(), problem };
}
