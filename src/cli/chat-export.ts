// All that is held about one chat, in a folder: its turns with their replies and files, what happened in them, what they used, and
// each session in the shape that `sessions export` gives it and `sessions import` takes back.
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { turnFilesPrefix } from '../core/attachments.ts';
import { systemClock } from '../core/clock.ts';
import { accountOf, turnsOf } from '../core/erase-chat.ts';
import { isHybridError } from '../core/errors.ts';
import { conversationOf, type SessionKey, tenantOf } from '../core/ids.ts';
import { createLinking } from '../core/links.ts';
import type { SessionHead, TurnRecord } from '../core/records.ts';
import type { Stores } from '../local/stores.ts';
import { writeSession } from './write-session.ts';

export interface ChatExported {
  readonly sessions: number;
  readonly turns: number;
  readonly events: number;
  /** Of messages and answers. */
  readonly files: number;
  /** Sessions that could not be read back, and why. */
  readonly unreadable: readonly { readonly session_id: string; readonly reason: string }[];
}

/** `folder` is there and empty. `heads`: the chat's sessions. */
export async function writeChat(
  stores: Stores,
  key: SessionKey,
  heads: readonly SessionHead[],
  folder: string,
): Promise<ChatExported> {
  const { store, events, usage, schedules } = stores;
  const tenant = tenantOf(key);
  const mapping = await store.getMapping(key);
  const current_session = mapping?.session_id ?? null;
  const linking = createLinking(store, systemClock);
  const home = await linking.homeOf(key);
  await writeJson(join(folder, 'chat.json'), {
    conversation: conversationOf(key),
    current_session,
    // What was said in the shared conversation is exported with its home.
    linked_to: home === null ? null : conversationOf(home),
    linked_from: (await linking.guestsOf(key)).map((guest) => conversationOf(guest.key)),
  });
  const turns = await turnsOf(store, key);
  await writeLines(join(folder, 'turns.jsonl'), turns);
  const happened: object[] = [];
  for (const { turnId } of turns) {
    const logged = await events.read(tenant, turnId, 0, { waitMs: 0 });
    happened.push(...logged.map((event) => ({ turnId, ...event })));
  }
  await writeLines(join(folder, 'events.jsonl'), happened);
  await writeJson(join(folder, 'usage.json'), await usage.history(accountOf(key)));
  const time_zone = await schedules.timeZoneOf(key);
  await writeJson(join(folder, 'schedules.json'), { time_zone, schedules: await schedules.list(key) });
  const files = await writeFiles(stores, turns, join(folder, 'files'));
  const unreadable: { session_id: string; reason: string }[] = [];
  let sessions = 0;
  for (const head of heads.filter(({ generation }) => generation > 0)) {
    try {
      await writeSession(stores, head, join(folder, head.sessionId));
      sessions += 1;
    } catch (error) {
      // One damaged session must not keep the others from their owner.
      if (!isHybridError(error)) throw error;
      unreadable.push({ session_id: head.sessionId, reason: error.message });
    }
  }
  return { sessions, turns: turns.length, events: happened.length, files, unreadable };
}

/** What people and the agent sent, as it is named in turns.jsonl: `TURN/NAME`. */
async function writeFiles(
  { objects }: Pick<Stores, 'objects'>,
  turns: readonly TurnRecord[],
  folder: string,
): Promise<number> {
  let files = 0;
  for (const { tenant, turnId } of turns) {
    const prefix = turnFilesPrefix(tenant, turnId);
    for await (const { key } of objects.list(prefix)) {
      await mkdir(join(folder, turnId), { recursive: true, mode: 0o700 });
      const target = createWriteStream(join(folder, turnId, key.slice(prefix.length)), { mode: 0o600 });
      await pipeline(objects.stream(key), target);
      files += 1;
    }
  }
  return files;
}

export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
}

export async function writeLines(file: string, items: readonly unknown[]): Promise<void> {
  await writeFile(file, items.map((item) => `${JSON.stringify(item)}\n`).join(''), { mode: 0o600 });
}
