// What survives a reload: the chat's name, and the message that the server has not yet taken. A browser that keeps nothing
// (a private window, a policy) gets a chat for this visit.
export interface Pending {
  readonly key: string;
  readonly text: string;
}

export interface Kept {
  readonly chat: string;
  pending(): Pending | null;
  keep(pending: Pending | null): void;
}

/** `scope` tells apart APIs and people on one origin. */
export function openKept(scope: string, named: string | null): Kept {
  const name = `hybrid-chat:${scope}`;
  const chat = named ?? read(`${name}:chat`) ?? crypto.randomUUID();
  if (named === null) write(`${name}:chat`, chat);
  const place = `${name}:pending:${chat}`;
  return {
    chat,
    pending() {
      try {
        const value = JSON.parse(read(place) ?? 'null') as Partial<Pending> | null;
        return typeof value?.key === 'string' && typeof value.text === 'string'
          ? { key: value.key, text: value.text }
          : null;
      } catch {
        return null;
      }
    },
    keep: (pending) => write(place, pending === null ? null : JSON.stringify(pending)),
  };
}

function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // It lasts as long as the page, then.
  }
}
