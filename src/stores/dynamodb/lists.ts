// Lists for people: sessions and conversations by last use, turns in order. Queries only, never a scan. The order of
// heads comes from an index (a moment behind); what is shown of each is read from the tables themselves.
import { type SessionId, type SessionKey, type Tenant, type TurnId, tenantOf } from '../../core/ids.ts';
import type { ListOptions, OfChannel, Page } from '../../core/ports/store.ts';
import type { SessionHead, SessionMapping, TurnRecord } from '../../core/records.ts';
import { storeError } from '../rules/errors.ts';
import { encodedChannel, isSessionId, keyPrefix } from '../rules/keys.ts';
import { decodeCursor, encodeCursor, pageSize } from '../rules/paging.ts';
import { keyOf } from './client.ts';
import { type Item, isLiveItem, isSeparate, number, readHead, readMapping, readTurn, text } from './items.ts';
import {
  channelPrefix,
  conversationPartition,
  HEADS_INDEX,
  headKey,
  isDigested,
  orderKey,
  orderPrefix,
  tenantList,
  turnKey,
} from './tables.ts';
import type { DynamoContext } from './turns.ts';

/** Index entries read at once: most of them are shown. */
const INDEX_PAGE = 200;

export type Lists = ReturnType<typeof createLists>;

interface UsedHead {
  readonly sessionId: SessionId;
  readonly usedAtMs: number;
  readonly conversation: string;
}

export function createLists({ dynamo, mappingTable, stateTable, clock }: DynamoContext) {
  /** Heads by last use, newest first, page by page from the index; `channel` filters on the way. */
  async function* heads(
    tenant: Tenant,
    by: { readonly sessionKey?: SessionKey } & OfChannel,
    after: { sessionId: string; usedAtMs: number } | null,
  ): AsyncGenerator<readonly UsedHead[]> {
    const narrow = by.sessionKey !== undefined;
    const [index, partition, value] = narrow
      ? ['heads_of_conversation', 'conversation_list', conversationPartition(by.sessionKey)]
      : [HEADS_INDEX, 'tenant_list', tenantList(tenant)];
    const filter = filterOf(tenant, by);
    let start = after
      ? {
          ...keyOf(headKey(tenant, after.sessionId)),
          [partition]: { S: value },
          used_at_ms: { N: String(after.usedAtMs) },
        }
      : undefined;
    do {
      const page = await dynamo.query({
        TableName: stateTable,
        IndexName: index,
        KeyConditionExpression: `${partition} = :list`,
        ExpressionAttributeValues: {
          ':list': { S: value },
          ...filter?.values,
        },
        ...(filter && { FilterExpression: filter.expression }),
        ScanIndexForward: false,
        Limit: INDEX_PAGE,
        ...(start && { ExclusiveStartKey: start }),
      });
      yield page.items.map((item) => ({
        sessionId: afterLastHash(text(item, 'pk')) as SessionId,
        usedAtMs: number(item, 'used_at_ms'),
        conversation: text(item, 'conversation_list'),
      }));
      start = page.next as typeof start;
    } while (start);
  }

  /** Walks heads until `limit` of them showed something; the cursor is the last head walked over. */
  async function collect<T>(
    pages: AsyncGenerator<readonly UsedHead[]>,
    limit: number,
    show: (heads: readonly UsedHead[]) => Promise<readonly (T | null)[]>,
  ): Promise<Page<T>> {
    const items: T[] = [];
    let last: UsedHead | null = null;
    for await (const page of pages) {
      for (let at = 0; at < page.length; ) {
        const some = page.slice(at, at + Math.max(limit - items.length, 1));
        if (items.length === limit) return { items, cursor: headCursor(last!) };
        for (const value of await show(some)) if (value !== null) items.push(value);
        at += some.length;
        last = some.at(-1)!;
      }
    }
    return { items, cursor: null };
  }

  async function readHeads(tenant: Tenant, some: readonly UsedHead[]): Promise<Map<string, Item>> {
    const keys = some.map(({ sessionId }) => keyOf(headKey(tenant, sessionId)));
    const found = await dynamo.batchGet(stateTable, keys);
    return new Map(found.map((item) => [text(item, 'session_id'), item]));
  }

  async function listHeads(
    tenant: Tenant,
    options: ListOptions & { sessionKey?: SessionKey } = {},
  ): Promise<Page<SessionHead>> {
    const after = readHeadCursor(options.cursor);
    const { sessionKey } = options;
    if (sessionKey !== undefined && tenantOf(sessionKey) !== tenant) return { items: [], cursor: null };
    return await collect(
      heads(tenant, sessionKey === undefined ? {} : { sessionKey }, after),
      pageSize(options),
      async (some) => {
        const byId = await readHeads(tenant, some);
        return some.map(({ sessionId }) => {
          const item = byId.get(sessionId);
          return isLiveItem(item, clock.now()) ? readHead(item) : null;
        });
      },
    );
  }

  async function listMappings(
    tenant: Tenant,
    options: ListOptions & OfChannel = {},
  ): Promise<Page<SessionMapping>> {
    const after = readHeadCursor(options.cursor);
    const { channel, bot } = options;
    const prefix = keyPrefix(tenant, options);
    return await collect(
      heads(tenant, { ...(channel !== undefined && { channel }), ...(bot !== undefined && { bot }) }, after),
      pageSize(options),
      async (some) => {
        const stored = some.map((head) => afterLastHash(head.conversation));
        const digested = some.filter((_, i) => isDigested(stored[i]!));
        const [found, long] = await Promise.all([
          dynamo.batchGet(
            mappingTable,
            [...new Set(stored)].map((key) => ({ session_key: { S: key } })),
          ),
          readHeads(tenant, digested),
        ]);
        const byKey = new Map(found.map((item) => [item.session_key?.S, item]));
        // A conversation is listed once, where the session is that it points at now; its older sessions are skipped.
        return some.map((head, i) => {
          const item = byKey.get(stored[i]);
          if (!isLiveItem(item, clock.now(), 'ttl') || item.session_id?.S !== head.sessionId) return null;
          const key = isDigested(stored[i]!) ? long.get(head.sessionId)?.session_key?.S : stored[i];
          if (key === undefined || (bot !== undefined && !key.startsWith(prefix))) return null;
          return readMapping(item, key as SessionKey);
        });
      },
    );
  }

  /** The order items of a conversation's turns, newest first, strongly consistent. */
  async function orderItems(
    key: SessionKey,
    before: number | null,
    limit: number,
  ): Promise<{ items: readonly Item[]; more: boolean }> {
    const bounds = before === null ? 'begins_with(sk, :low)' : 'sk BETWEEN :low AND :high';
    const { items, next } = await dynamo.query({
      TableName: stateTable,
      KeyConditionExpression: `pk = :pk AND ${bounds}`,
      ExpressionAttributeValues: {
        ':pk': { S: conversationPartition(key) },
        ':low': { S: orderPrefix },
        ...(before !== null && { ':high': { S: orderKey(key, before - 1).sk } }),
      },
      ScanIndexForward: false,
      ConsistentRead: true,
      Limit: limit + 1,
    });
    return { items: items.slice(0, limit), more: items.length > limit || next !== undefined };
  }

  async function listTurns(key: SessionKey, options: ListOptions = {}): Promise<Page<TurnRecord>> {
    const [before = null] = (decodeCursor(options.cursor, ['number']) ?? []) as number[];
    const tenant = tenantOf(key);
    const { items, more } = await orderItems(key, before, pageSize(options));
    const lines = await dynamo.batchGet(
      stateTable,
      items.map((item) => keyOf(turnKey(tenant, text(item, 'turn_id')))),
    );
    const shown = lines.filter((line) => isLiveItem(line, clock.now()));
    const separate = await dynamo.batchGet(
      stateTable,
      shown.flatMap((line) =>
        (['text', 'reply'] as const)
          .filter((part) => isSeparate(line, part))
          .map((part) => keyOf(turnKey(tenant, text(line, 'turn_id'), part))),
      ),
    );
    const part = (line: Item, sk: string) =>
      separate.find((item) => item.pk?.S === line.pk?.S && item.sk?.S === sk);
    const turns = shown.map((line) => {
      const [body, reply] = [part(line, 'text'), part(line, 'reply')];
      return readTurn(line, { ...(body && { text: body }), ...(reply && { reply }) });
    });
    const oldest = items.at(-1);
    return {
      items: turns.sort((a, b) => a.sequence - b.sequence),
      cursor: more && oldest ? encodeCursor([number(oldest, 'sequence')]) : null,
    };
  }

  /** Every turn of a conversation with the key of its order item; expired ones too. */
  async function allTurns(key: SessionKey): Promise<{ turnId: TurnId; orderItem: Item }[]> {
    const all: { turnId: TurnId; orderItem: Item }[] = [];
    for (let before: number | null = null; ; ) {
      const { items, more } = await orderItems(key, before, 1_000);
      for (const item of items) {
        const orderItem = keyOf({ pk: text(item, 'pk'), sk: text(item, 'sk') });
        all.push({ turnId: text(item, 'turn_id') as TurnId, orderItem });
      }
      const oldest = items.at(-1);
      if (!more || !oldest) return all;
      before = number(oldest, 'sequence');
    }
  }

  /** Every session the index knows of a conversation; expired ones too. */
  async function allSessions(key: SessionKey): Promise<SessionId[]> {
    const ids: SessionId[] = [];
    for await (const page of heads(tenantOf(key), { sessionKey: key }, null)) {
      ids.push(...page.map((head) => head.sessionId));
    }
    return ids;
  }

  return { listHeads, listMappings, listTurns, allTurns, allSessions };
}

/** A key that is too long is a digest, which tells the channel but not the bot: `listMappings` looks at the key itself. */
function filterOf(
  tenant: Tenant,
  { channel, bot }: OfChannel,
): { readonly expression: string; readonly values: Item } | null {
  if (channel === undefined) return null;
  const all = channelPrefix(tenant, encodedChannel(channel));
  if (bot === undefined) {
    return { expression: 'begins_with(conversation_list, :all)', values: { ':all': { S: all } } };
  }
  const ofBot = all + keyPrefix(tenant, { channel, bot }).slice(keyPrefix(tenant, { channel }).length);
  return {
    expression: 'begins_with(conversation_list, :bot) OR begins_with(conversation_list, :digest)',
    values: { ':bot': { S: ofBot }, ':digest': { S: `${all}~` } },
  };
}

/** `#` occurs in no id. */
function afterLastHash(key: string): string {
  return key.slice(key.lastIndexOf('#') + 1);
}

function headCursor(head: UsedHead): string {
  return encodeCursor([head.usedAtMs, head.sessionId]);
}

/** A cursor holds no key of its own: tenant and conversation always come from the call. */
function readHeadCursor(cursor: string | undefined): { sessionId: string; usedAtMs: number } | null {
  const position = decodeCursor(cursor, ['number', 'string']);
  if (!position) return null;
  const [usedAtMs, sessionId] = position as [number, string];
  if (!isSessionId(sessionId)) throw storeError('bad-cursor');
  return { usedAtMs, sessionId };
}
