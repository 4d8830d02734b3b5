// Forgets one chat: turns, sessions and their objects, events, counters, dead letters; and lists what is left of it.
// Sums of a person and of the tenant as a whole stay: they name no chat.
import { turnFilesPrefix } from './attachments.ts';
import { Conflict, Refused } from './errors.ts';
import { type SessionId, type SessionKey, type Tenant, type TurnId, tenantOf } from './ids.ts';
import type {
  DeadLetter,
  EventLog,
  ObjectStore,
  Places,
  ScheduleStore,
  SessionState,
  SessionStore,
  TurnQueue,
  UsageAccount,
  UsageLedger,
  WebhookStore,
} from './ports.ts';
import { isCommitted, type SessionHead, type TurnRecord } from './records.ts';
import { toldTurn } from './webhooks.ts';

export interface EraseChatDeps {
  readonly store: SessionStore;
  readonly state: Pick<SessionState, 'erase'>;
  /** Where files of its messages and replies lie. */
  readonly objects?: Pick<ObjectStore, 'list' | 'delete'>;
  readonly usage?: Pick<UsageLedger, 'erase'>;
  readonly places?: Pick<Places, 'erase'>;
  readonly schedules?: Pick<ScheduleStore, 'erase'>;
  /** What was sent of its turns is noted there, without their text. */
  readonly webhooks?: Pick<WebhookStore, 'forget'>;
  /** Where they lie in a queue that erases nothing by itself. */
  readonly deadLetters?: TurnQueue['deadLetters'];
}

export interface ErasedChat {
  readonly sessions: readonly SessionId[];
  readonly turns: readonly TurnId[];
}

const AT_ONCE = 16;

/** `keep`: the line of the turn that ordered it. Conflict('turn-running'). Objects left by a failure fall to the sweep. */
export async function eraseChat(deps: EraseChatDeps, key: SessionKey, keep?: TurnId): Promise<ErasedChat> {
  const { store, state, usage, places, schedules, deadLetters } = deps;
  const tenant = tenantOf(key);
  const ledger = await turnsOf(store, key);
  const turns = ledger.map(({ turnId }) => turnId);
  const states = new Map((await headsOf(store, key)).map((head) => [head.sessionId, head.state]));
  const sessions = await store.erase(key, keep).catch(explain);
  await schedules?.erase(key);
  if (deps.webhooks && ledger.length > 0) await deps.webhooks.forget(tenant, ledger.map(toldTurn));
  for (const sessionId of sessions) await state.erase(tenant, sessionId, states.get(sessionId) ?? null);
  if (deps.objects) for (const turnId of turns) await eraseFiles(deps.objects, tenant, turnId);
  await usage?.erase(accountOf(key));
  for (let at = 0; usage && at < turns.length; at += AT_ONCE) {
    const some = turns.slice(at, at + AT_ONCE);
    await Promise.all(some.map((id) => usage.erase({ tenant, scope: 'turn', id })));
  }
  await places?.erase(accountOf(key));
  if (deadLetters) for (const { id } of await deadLettersOf({ deadLetters }, key)) await deadLetters.drop(id);
  return { sessions, turns };
}

/** Whether what a turn of the chat ordered is done: its line is there, the session that it ran in is not. */
export async function isForgotten(
  store: Pick<SessionStore, 'getTurn' | 'getHead'>,
  { sessionKey, turnId }: { readonly sessionKey: SessionKey; readonly turnId: TurnId },
): Promise<boolean> {
  const tenant = tenantOf(sessionKey);
  const line = await store.getTurn(tenant, turnId);
  if (!line?.sessionId || !isCommitted(line)) return false;
  return (await store.getHead(tenant, line.sessionId, { expired: true })) === null;
}

/** All files of a turn. */
async function eraseFiles(
  objects: Pick<ObjectStore, 'list' | 'delete'>,
  tenant: Tenant,
  turnId: TurnId,
): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of objects.list(turnFilesPrefix(tenant, turnId))) keys.push(key);
  if (keys.length > 0) await objects.delete(keys);
}

export interface HeldOfChat {
  readonly store: SessionStore;
  readonly events: EventLog;
  readonly objects: Pick<ObjectStore, 'list'>;
  readonly state: Pick<SessionState, 'lent'>;
  readonly usage: UsageLedger;
  readonly queue: Pick<TurnQueue, 'deadLetters'>;
}

/** How much there is, by kind. What an erasure named is looked for, too: it may be there without its chat. */
export async function heldOfChat(
  deps: HeldOfChat,
  key: SessionKey,
  erased: ErasedChat = { sessions: [], turns: [] },
): Promise<Readonly<Record<string, number>>> {
  const { store, events, objects, state, usage, queue } = deps;
  const tenant = tenantOf(key);
  const turns = new Set([...erased.turns, ...(await turnsOf(store, key)).map(({ turnId }) => turnId)]);
  const heads = await store.listHeads(tenant, { sessionKey: key, limit: 200 });
  const sessions = new Set([...erased.sessions, ...heads.items.map(({ sessionId }) => sessionId)]);
  const held = { conversations: 0, sessions: 0, turns: 0, events: 0, objects: 0, 'usage counters': 0 };
  if (await store.getMapping(key)) held.conversations += 1;
  for (const turnId of turns) {
    if (await store.getTurn(tenant, turnId)) held.turns += 1;
    for await (const _ of objects.list(turnFilesPrefix(tenant, turnId))) held.objects += 1;
    held.events += (await events.read(tenant, turnId, 0, { waitMs: 0 })).length;
    held['usage counters'] += (await usage.history({ tenant, scope: 'turn', id: turnId })).length;
  }
  for (const sessionId of sessions) {
    if (await store.getHead(tenant, sessionId)) held.sessions += 1;
    // What a fork needs is the fork's.
    const lent = await state.lent(tenant, sessionId);
    for await (const { key: object } of objects.list(`${tenant}/${sessionId}/`)) {
      if (!lent.has(object)) held.objects += 1;
    }
  }
  held['usage counters'] += (await usage.history(accountOf(key))).length;
  return { ...held, 'dead letters': (await deadLettersOf(queue, key)).length };
}

/** Oldest first. */
export async function turnsOf(
  store: Pick<SessionStore, 'listTurns'>,
  key: SessionKey,
): Promise<readonly TurnRecord[]> {
  const turns: TurnRecord[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await store.listTurns(key, { limit: 200, ...(cursor && { cursor }) });
    turns.unshift(...page.items);
    cursor = page.cursor;
  }
  return turns;
}

async function headsOf(
  store: Pick<SessionStore, 'listHeads'>,
  key: SessionKey,
): Promise<readonly SessionHead[]> {
  const heads: SessionHead[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await store.listHeads(tenantOf(key), {
      sessionKey: key,
      limit: 200,
      ...(cursor && { cursor }),
    });
    heads.push(...page.items);
    cursor = page.cursor;
  }
  return heads;
}

export async function deadLettersOf(
  { deadLetters }: Pick<TurnQueue, 'deadLetters'>,
  key: SessionKey,
): Promise<readonly DeadLetter[]> {
  const found: DeadLetter[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await deadLetters.list({ limit: 200, ...(cursor && { cursor }) });
    found.push(...page.items.filter(({ request }) => request.sessionKey === key));
    cursor = page.cursor;
  }
  return found;
}

export function accountOf(key: SessionKey): UsageAccount {
  return { tenant: tenantOf(key), scope: 'chat', id: key };
}

function explain(error: unknown): never {
  if (!(error instanceof Refused) || error.code !== 'lease-busy') throw error;
  throw new Conflict('turn-running', 'A turn of this chat is running. Stop it first, then erase.', {
    cause: error,
  });
}
