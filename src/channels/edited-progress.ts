// What a person sees while a turn runs, on platforms where a message can be changed: a placeholder at once, then throttled
// edits of it. A turn that was begun before gets a new placeholder and loses the old one: the worker that sent it may only
// be paused, and must find nothing to write into when it wakes. Only where that attempt ended by waiting for something (and
// recorded it) its message is written on: it says what is waited for, however long.
import { Refused } from '../core/errors.ts';
import type { Json } from '../core/messages.ts';
import type { Clock, SendContext } from '../core/ports.ts';
import { THINKING } from '../core/progress-text.ts';
import { keepShowing, type Stream } from '../core/stream-progress.ts';

/** What the note of a turn says of its messages; whatever else stands in it stays. */
export interface EditedAnchor<Id> {
  readonly parts: readonly Id[];
  readonly discard: readonly Id[];
  readonly waits?: true | undefined;
}

/** `again`: the turn had a placeholder before. `waits`: it says what is waited for. */
export type SendReason = 'first' | 'again' | 'waits';

export interface EditedMessages<Id> {
  readonly clock: Clock;
  readonly context: SendContext;
  /** Least time between two edits. */
  readonly everyMs: number;
  /** Of the note as it is now. */
  anchor(): EditedAnchor<Id>;
  /** Records it before anyone may write into the message. */
  send(text: string, how: SendReason, record: (id: Id) => Promise<void>): Promise<Id>;
  show(id: Id, text: string): Promise<void>;
  remove(id: Id): Promise<void>;
  /** True when a send failed because the chat is elsewhere by now, which is recorded then: it is sent there at once. */
  hasMoved?(error: unknown): Promise<boolean>;
}

/** What an attempt inherits stays as it is for so long. */
const CALM_MS = 4_000;
/** A turn retried for hours would otherwise carry every placeholder it ever had. */
const MAX_DISCARDED = 5;

/** Until the stream has ended. */
export async function showByEdits<Id extends Json>(
  messages: EditedMessages<Id>,
  stream: Stream,
): Promise<void> {
  const mine = await placeholder(messages, stream.ended);
  const shown = mine ? await keepEditing(messages, mine, stream) : '';
  await showWaiting(messages, stream, mine?.id ?? null, shown);
}

/** Goes on in a message of this attempt that shows `shown`. */
export async function editOn<Id extends Json>(
  messages: EditedMessages<Id>,
  stream: Stream,
  id: Id,
  shown: string,
): Promise<void> {
  const last = await keepEditing(messages, { id, shown, inherited: false }, stream);
  await showWaiting(messages, stream, id, last);
}

interface Placeholder<Id> {
  readonly id: Id;
  readonly shown: string;
  /** It says what the last attempt waited for. */
  readonly inherited: boolean;
}

/** Sends this attempt's own placeholder, or takes one over; null when the turn ended first. */
async function placeholder<Id extends Json>(
  messages: EditedMessages<Id>,
  ended: AbortSignal,
): Promise<Placeholder<Id> | null> {
  const taken = await takeOver(messages);
  if (taken !== null) return { id: taken, shown: '', inherited: true };
  while (!ended.aborted) {
    const old = oldOnes(messages.anchor());
    try {
      const how = old.length > 0 ? 'again' : 'first';
      const id = await messages.send(THINKING, how, (fresh) => begun(messages, fresh, old));
      await removeOld(messages, old);
      return { id, shown: THINKING, inherited: false };
    } catch (error) {
      if (await messages.hasMoved?.(error)) continue;
      // Only a refusal is tried again: after a lost answer a second one might stand beside the first.
      if (!(error instanceof Refused)) throw error;
      await messages.clock.sleep(error.retryAfterMs, ended);
    }
  }
  return null;
}

/** The message in which the last attempt waited, as this attempt's own; null where it did not. */
async function takeOver<Id extends Json>({ anchor, context }: EditedMessages<Id>): Promise<Id | null> {
  const inherited = anchor();
  const [last] = inherited.parts;
  if (!inherited.waits || last === undefined) return null;
  // Recorded first: from here on this attempt may be a paused one to the next.
  const { waits: _, ...rest } = inherited;
  await context.remember(noteOf(rest, { parts: [last] }));
  return last;
}

/** Messages of earlier attempts. */
export function oldOnes<Id>({ discard, parts }: EditedAnchor<Id>): readonly Id[] {
  return [...discard, ...parts].slice(-MAX_DISCARDED);
}

/** The first message of this attempt, in place of `old`. */
export async function begun<Id extends Json>(
  { anchor, context }: EditedMessages<Id>,
  fresh: Id,
  old: readonly Id[],
): Promise<void> {
  await context.remember(noteOf(anchor(), { parts: [fresh], discard: old }));
}

/** What fails here is deleted at delivery. */
export async function removeOld<Id>({ remove }: EditedMessages<Id>, old: readonly Id[]): Promise<void> {
  for (const stale of old) await remove(stale).catch(() => undefined);
}

async function keepEditing<Id extends Json>(
  { clock, everyMs, show }: EditedMessages<Id>,
  { id, shown, inherited }: Placeholder<Id>,
  stream: Stream,
): Promise<string> {
  const surface = { everyMs, show: (text: string) => show(id, text) };
  // A try that fails at once shall not make what is waited for flicker.
  const firstAfterMs = inherited ? Math.max(everyMs, CALM_MS) : everyMs;
  return await keepShowing(clock, surface, stream, { shown, firstAfterMs });
}

/** The last word of an attempt that waits: shown, and left for the next one to go on in. */
export async function showWaiting<Id extends Json>(
  messages: EditedMessages<Id>,
  { text }: Stream,
  mine: Id | null,
  shown: string,
): Promise<void> {
  if (!text.waits()) return;
  const words = text.text();
  if (mine === null) {
    await messages.send(words, 'waits', (fresh) => left(messages, fresh));
    return;
  }
  if (words !== shown) await messages.show(mine, words);
  await left(messages, mine);
}

async function left<Id extends Json>({ anchor, context }: EditedMessages<Id>, id: Id): Promise<void> {
  const before = anchor();
  const discard = [...before.discard, ...before.parts.filter((part) => part !== id)].slice(-MAX_DISCARDED);
  await context.remember(noteOf(before, { parts: [id], discard, waits: true }));
}

/** Nothing of a reply stands in these messages. */
function noteOf(anchor: object, changes: object): Json {
  return { ...anchor, landed: 0, of: null, ...changes } as Json;
}
