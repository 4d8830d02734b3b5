// How the scripted conversation waits: for what is to happen. The limit only reports what never comes.
import { setTimeout as pause } from 'node:timers/promises';

const WAIT_MS = 180_000;

/** Looks again and again until there is something, and returns it. */
export async function until<T>(
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  what: string,
): Promise<T> {
  const endMs = Date.now() + WAIT_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > endMs) throw new Error(`Waited in vain for ${what}.`);
    await pause(10);
  }
}
