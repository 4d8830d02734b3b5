// What this browser keeps for the page: local storage where it can be had, else memory. Promises: no call throws, not
// with storage full, forbidden or absent (private windows); what was written is read back while the page stands; what
// only memory holds is known (`isFragile`), so that the person can be told before it is gone.

const PREFIX = 'hybrid-sessions.';
/** What storage would not take. @type {Map<string, string>} */
const memory = new Map();
/** @type {Set<() => void>} */
const watchers = new Set();

/** @param {string} name @returns {string | null} */
export function read(name) {
  const held = memory.get(name);
  if (held !== undefined) return held;
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
export function write(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
    memory.delete(name);
  } catch {
    // An older value must not come back after a reload.
    forget(name);
    memory.set(name, value);
  }
  for (const watcher of watchers) watcher();
}

/** @param {string} name */
export function remove(name) {
  forget(name);
  memory.delete(name);
  for (const watcher of watchers) watcher();
}

/** @param {string} name */
function forget(name) {
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // Nothing was kept there either.
  }
}

/** Names that begin with `start`. @param {string} start @returns {string[]} */
export function names(start) {
  /** @type {string[]} */
  let stored = [];
  try {
    stored = Object.keys(localStorage)
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => name.slice(PREFIX.length));
  } catch {
    // No storage.
  }
  return [...new Set([...stored, ...memory.keys()])].filter((name) => name.startsWith(start));
}

/** True while something that begins with one of these would be lost by a reload. @param {string[]} starts */
export function isFragile(starts) {
  return [...memory.keys()].some((name) => starts.some((start) => name.startsWith(start)));
}

/** @param {() => void} watcher called after every change */
export function onChange(watcher) {
  watchers.add(watcher);
}
