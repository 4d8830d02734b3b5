// What `/link CODE` and `/unlink` do when they are taken in, so that the next message already goes where it should. The order
// of a chat's messages holds across both: whatever it says next waits, in the queue that it goes to from then on, for what it
// said before (`await-move`). Everything here may be repeated, and is, by the worker that answers: who is cut off loses nothing.
import type { SessionKey } from './ids.ts';
import { conversationOf } from './ids.ts';
import type { Linking, Place, Redeemed } from './links.ts';
import { inHome, type TurnRequest, turnRequest, writtenIn } from './messages.ts';
import type { SessionStore } from './ports/store.ts';
import { isCommitted, type TurnRecord } from './records.ts';

export interface LinkOrderDeps {
  readonly store: Pick<SessionStore, 'accept'>;
  readonly send: (request: TurnRequest) => Promise<void>;
  readonly retentionSec: number;
}

type Order = Pick<TurnRequest, 'kind' | 'text'>;

/** The code that a message says; null for any other message. */
export function linkCodeOf({ kind, text }: Order): string | null {
  const code = kind === 'command' ? /^link (\S.*)$/.exec(text)?.[1] : undefined;
  return code ?? null;
}

export function isUnlink({ kind, text }: Order): boolean {
  return kind === 'command' && text === 'unlink';
}

/**
 * Before a message is in the queue. What others say while `/unlink` is carried out goes behind it in this queue, and what they say
 * next into their own: they are told beforehand, so that the one waits for the other (`afterQueued`).
 */
export async function beforeQueued(linking: Linking, request: TurnRequest): Promise<void> {
  if (isUnlink(request) && !request.linked) await linking.beginUnlink(request.sessionKey);
}

/** After a message is in the queue: carries out what it orders, and keeps the order where a link changed meanwhile. */
export async function afterQueued(
  deps: LinkOrderDeps,
  linking: Linking,
  request: TurnRequest,
  turn: Pick<TurnRecord, 'turnId' | 'sessionKey'>,
): Promise<void> {
  const own = writtenIn(request);
  const code = linkCodeOf(request);
  if (code !== null) await redeem(deps, linking, { request, code });
  else if (isUnlink(request)) await unlink(deps, linking, request, turn);
  else {
    const link = await linking.linkOf(own);
    const next = link === null || link.isEnding ? own : link.home;
    if (next !== turn.sessionKey) await deps.send(waitFor(next, request));
  }
}

/** Links the chat of the message to the one whose code it says, behind all that was said in it. */
export async function redeem(
  { send }: Pick<LinkOrderDeps, 'send'>,
  linking: Linking,
  { request, code }: { readonly request: TurnRequest; readonly code: string },
): Promise<Redeemed> {
  const own = writtenIn(request);
  const home = await linking.homeByCode(own, code);
  if (home !== null && home !== own) await send(waitFor(home, request));
  return await linking.redeem(code, own, placeOf(request), request.turnId);
}

/** Ends the links of the chat, and tells the others. */
export async function unlink(
  deps: LinkOrderDeps,
  linking: Linking,
  request: TurnRequest,
  { sessionKey }: Pick<TurnRecord, 'sessionKey'>,
): Promise<void> {
  const own = writtenIn(request);
  const home = await linking.homeOf(own);
  if (own !== sessionKey) {
    if (home !== sessionKey) return;
    await deps.send(waitFor(own, request));
  } else if (home === null) {
    for (const guest of await linking.guestsOf(own)) {
      await deps.send(waitFor(guest.key, request));
      await tell(deps, request, guest.key, guest.place, 'unlinked');
    }
  } else return;
  await linking.unlink(own, sessionKey);
}

/** A message to a chat in which nobody has written. */
export async function tell(
  { store, send, retentionSec }: LinkOrderDeps,
  because: TurnRequest,
  home: SessionKey,
  { conversation, replyTarget }: Place,
  text: string,
): Promise<void> {
  const [word] = text.split(' ');
  const note = inHome(
    turnRequest({
      conversation,
      dedupeId: `${because.turnId}.${word}`,
      kind: 'command',
      text,
      replyTarget,
      receivedAtMs: because.receivedAtMs,
    }),
    home,
  );
  const turn = await store.accept(note, retentionSec);
  if (!isCommitted(turn)) await send(note);
}

export function placeOf({ conversation, replyTarget }: TurnRequest): Place {
  return { conversation, replyTarget };
}

/** Holds the queue of a conversation until the turn of this message is done. */
function waitFor(key: SessionKey, { turnId, receivedAtMs }: TurnRequest): TurnRequest {
  const conversation = conversationOf(key);
  return turnRequest({
    conversation,
    dedupeId: `await:${turnId}`,
    kind: 'await-move',
    text: turnId,
    receivedAtMs,
  });
}
