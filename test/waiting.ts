// How tests wait: for what is to happen, never for a time that should suffice. A wait ends with what it waits for, so
// the limits cost nothing; they only report what never comes, and are long enough for a machine that does much else.
import type { ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';

/** One wait for one event: `until`, `expect.poll`, a locator of the browser. */
export const WAIT_MS = 180_000;
/** A whole test or hook, with several such waits. */
export const TEST_MS = 600_000;

/** Looks again and again until there is something, and returns it. */
export async function until<T>(
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  what = String(look),
): Promise<T> {
  const endMs = Date.now() + WAIT_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > endMs) throw new Error(`Waited in vain for ${what}.`);
    await pause(2);
  }
}

/** The address that a started server prints; its last line of all has come, too. */
export function addressOf(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (piece: unknown) => {
      said += piece;
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
      // All of its lines come at once; the last one follows when the workers are ready.
      if (found && said.includes('Ctrl-C')) resolve(found);
    };
    server.stdout?.on('data', hear);
    server.stderr?.on('data', hear);
    server.once('exit', (code) => reject(new Error(`ended with ${code}: ${said}`)));
  });
}

/** A message that the demo model answers until it is stopped: seven minutes' worth of numbers. */
export const COUNT_ON = `slowly: ${Array.from({ length: 2_500 }, (_, index) => index + 1).join(' ')}`;
