// Messages that will be delivered again, in a folder that all workers of a run share. A file's name says when it is
// due. The worker that renames the file first gets the message.

import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTurnRequest, type TurnRequest } from '../../src/core/messages.ts';

/** True while one of these is to be delivered once more. */
export function awaitsRedelivery(folder: string, sent: readonly { readonly turnId: string }[]): boolean {
  const place = join(folder, 'redeliveries');
  return readdirSync(place).some((name) => {
    try {
      const { turnId } = JSON.parse(readFileSync(join(place, name), 'utf8')) as { turnId: string };
      return sent.some((each) => each.turnId === turnId);
    } catch {
      // Taken meanwhile, or not whole yet.
      return true;
    }
  });
}

export function createRedeliveries(folder: string) {
  const place = join(folder, 'redeliveries');
  mkdirSync(place, { recursive: true });
  return {
    put(request: TurnRequest, afterMs: number): void {
      const name = join(place, randomUUID());
      writeFileSync(name, JSON.stringify(request));
      renameSync(name, join(place, `${Date.now() + afterMs}.${randomUUID()}.redelivery`));
    },
    take(): TurnRequest | null {
      const due = readdirSync(place).find(
        (name) => name.endsWith('.redelivery') && Number(name.split('.')[0]) <= Date.now(),
      );
      if (due === undefined) return null;
      const mine = join(place, randomUUID());
      try {
        renameSync(join(place, due), mine);
      } catch {
        return null;
      }
      const request = parseTurnRequest(JSON.parse(readFileSync(mine, 'utf8')));
      unlinkSync(mine);
      return request;
    },
  };
}
