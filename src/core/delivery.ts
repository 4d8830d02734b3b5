// Brings a committed reply to its chat. The model is out of the picture here: whatever happens, only the send is
// repeated. Refused sends are tried again for a short while; what lasts longer goes back to the queue. After a day
// of refusals the reply counts as undeliverable, so that no chat is blocked for ever; a person can have it sent again.

import { fileKey, filesText } from './attachments.ts';
import { backoffMs } from './backoff.ts';
import { Ambiguous, Gone, Invalid, isLeaseLost, Owed, Refused } from './errors.ts';
import { type SessionId, type TurnId, tenantOf } from './ids.ts';
import { errorFields, type Log } from './log.ts';
import { type Json, type TurnRequest, writtenIn } from './messages.ts';
import type { Channel, Clock, ObjectStore, SendContext, SessionStore, WaitingFor } from './ports.ts';
import { chatOf, type Lease, type Reply, type TurnRecord } from './records.ts';

export interface DeliveryDeps {
  readonly store: SessionStore;
  /** Where files of replies lie. */
  readonly objects?: Pick<ObjectStore, 'stream'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** `owed`: undeliverable by itself, and nothing for an operator to do. */
export type DeliveryOutcome = 'delivered' | 'undeliverable' | 'owed' | { readonly retryAfterMs: number };

const TRIES_IN_PLACE = 4;
const MAX_WAIT_IN_PLACE_MS = 10_000;
const GIVE_UP_AFTER_MS = 24 * 3_600_000;
/** Used when the platform does not say when to send again. */
const SENDING = { firstMs: 1_000, maxMs: MAX_WAIT_IN_PLACE_MS };

export async function deliverReply(
  deps: DeliveryDeps,
  channel: Channel,
  lease: Lease,
  request: TurnRequest,
  turn: TurnRecord,
): Promise<DeliveryOutcome> {
  if (turn.reply === null) throw new Invalid('no-reply', 'A committed turn has no reply in its record.');
  const context = sendContext(deps.store, lease, request, turn, deps.objects);
  for (let attempt = 1; ; attempt++) {
    try {
      await deps.store.check(lease);
      await channel.deliver(context, shownBy(channel, turn.reply));
      return 'delivered';
    } catch (error) {
      if (isLeaseLost(error)) throw error;
      if (error instanceof Owed) {
        deps.log('info', 'delivery-owed', { turn: turn.turnId, ...errorFields(error) });
        return 'owed';
      }
      deps.log('warn', 'delivery-failed', { turn: turn.turnId, attempt, ...errorFields(error) });
      if (error instanceof Gone || error instanceof Invalid) return 'undeliverable';
      const waitMs = error instanceof Refused ? error.retryAfterMs : backoffMs(SENDING, attempt);
      const known = error instanceof Refused || error instanceof Ambiguous;
      if (!known || attempt >= TRIES_IN_PLACE || waitMs > MAX_WAIT_IN_PLACE_MS) {
        if (deps.clock.now() - (turn.reply.fixedAtMs ?? turn.receivedAtMs) < GIVE_UP_AFTER_MS) {
          return { retryAfterMs: waitMs };
        }
        deps.log('error', 'delivery-given-up', { alarm: true, turn: turn.turnId, ...errorFields(error) });
        return 'undeliverable';
      }
      await deps.clock.sleep(waitMs);
    }
  }
}

/** Where files cannot be shown, people at least know of them. */
function shownBy(channel: Channel, reply: Reply): Reply {
  if (!reply.files || channel.capabilities.files) return reply;
  const text = `${reply.text.trimEnd()}\n\n${filesText(reply.files)}\n_This chat cannot show files; they are kept with it._`;
  return { ...reply, text };
}

/** The context that a channel sends with. Its notes are written to the ledger under the lease's fence. */
export function sendContext(
  store: SessionStore,
  lease: Lease,
  request: TurnRequest,
  turn: Pick<TurnRecord, 'turnId' | 'generation' | 'anchor'>,
  objects?: DeliveryDeps['objects'],
): SendContext {
  const turnId: TurnId = turn.turnId;
  let anchor: Json | null = turn.anchor;
  return {
    request,
    tenant: lease.tenant,
    sessionId: lease.sessionId,
    generation: turn.generation ?? 0,
    ...(objects && { readFile: (file) => objects.stream(fileKey(lease.tenant, file.object)) }),
    get anchor() {
      return anchor;
    },
    async remember(note) {
      await store.setAnchor(lease, turnId, note);
      anchor = note;
    },
    earlier: {
      // A session can be shared by several chats; each brings what it owes itself.
      turns: async () => {
        const { items } = await store.listTurns(lease.sessionKey);
        return items.filter((one) => chatOf(one) === writtenIn(request));
      },
      async brought(earlierId) {
        const { status } = await store.reopen(lease.tenant, earlierId);
        if (status === 'committed') await store.settle(lease, earlierId, 'delivered');
      },
    },
  };
}

/**
 * One try to tell what became of a message that no lease can be had for: nothing is recorded, so a worker that dies
 * right after it tells it again. Never throws.
 */
export async function tellUnrecorded(
  channel: Channel,
  request: TurnRequest,
  reply: Reply,
  log: Log,
): Promise<void> {
  try {
    await channel.deliver(unrecordedContext(request), reply);
  } catch (error) {
    log('warn', 'not-told', { turn: request.turnId, ...errorFields(error) });
  }
}

/** Says once, without a record, what a turn waits for that cannot begin yet. The message stays in the chat, so it names no time. */
export async function tellWaiting(
  channel: Channel,
  request: TurnRequest,
  waitingFor: WaitingFor,
): Promise<void> {
  const sink = channel.open(unrecordedContext(request));
  sink.push({ type: 'status', status: 'waiting', waitingFor, nextTryAtMs: null });
  await sink.close();
}

function unrecordedContext(request: TurnRequest): SendContext {
  return {
    request,
    tenant: tenantOf(request.sessionKey),
    sessionId: (request.sessionHint ?? 'unknown') as SessionId,
    generation: 0,
    anchor: null,
    remember: async () => {},
  };
}
