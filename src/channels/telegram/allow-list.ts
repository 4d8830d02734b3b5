// Who may talk to the bot: Telegram user ids. Fails closed: an empty or malformed list allows nobody, because a
// list with a slip in it is not the list that was meant.

export interface AllowList {
  readonly users: ReadonlySet<string>;
  /** Why nobody is allowed, in one sentence for the operator; null when somebody is. */
  readonly problem: string | null;
}

const NUMBER = /^[1-9]\d{0,18}$/;

/** Reads `"123, 456"` (commas or spaces) or a list of ids. Anything else allows nobody. */
export function parseAllowList(value: unknown): AllowList {
  const entries = listed(value);
  if (entries === null) return nobody('The list of allowed Telegram users is not a list of user ids.');
  if (entries.length === 0) return nobody('No Telegram user is allowed: the list is empty.');
  const wrong = entries.filter((entry) => !NUMBER.test(entry));
  if (wrong.length > 0) {
    return nobody(
      `The list of allowed Telegram users has ${wrong.length} malformed entry(s) of ${entries.length}; ids are plain numbers, not names.`,
    );
  }
  return { users: new Set(entries), problem: null };
}

function listed(value: unknown): readonly string[] | null {
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return value.split(/[\s,;]+/).filter((entry) => entry !== '');
  if (!Array.isArray(value)) return null;
  return value.map((entry) =>
    typeof entry === 'number' ? String(entry) : typeof entry === 'string' ? entry.trim() : '',
  );
}

function nobody(problem: string): AllowList {
  return { users: new Set(), problem };
}
