// What is particular to SQLite: whose database it is, what SQLite's own refusals mean, what is stored and swept.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { RETENTION_SEC as KEPT_SEC } from '../../src/core/defaults.ts';
import { Corrupt, Gone, Invalid, Refused } from '../../src/core/errors.ts';
import { sessionKeyOf, type Tenant } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { type TenantName, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { NO_USAGE } from '../../src/core/usage-counters.ts';
import { createSqliteTurnQueue } from '../../src/queues/sqlite/turn-queue.ts';
import { translateSqliteError } from '../../src/stores/sqlite/errors.ts';
import { createSqliteTenantHoldings } from '../../src/stores/sqlite/holdings.ts';
import {
  createSqliteEventLog,
  createSqlitePlaces,
  createSqliteSchedules,
  createSqliteSessionStore,
  createSqliteTenantRegistry,
  createSqliteUsageLedger,
  createSqliteWebhooks,
  openDatabase,
} from '../../src/stores/sqlite/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { conversation, failure, message } from '../../testing/contracts/contract.ts';
import { begin, RETENTION_SEC, wholeTurn } from '../../testing/contracts/session-store-steps.ts';
import { take, takeOne } from '../../testing/contracts/turn-queue-steps.ts';
import { webhookOf } from '../../testing/contracts/webhooks.ts';
import { temporaryFolder } from './temporary-folder.ts';

function fileForTest(): string {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  return join(folder.path, 'data', 'hybrid-sessions.db');
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('Nothing was thrown.');
}

test('one file holds sessions, queue and events, through one handle or several', async () => {
  const path = fileForTest();
  const shared = openDatabase(path);
  const store = createSqliteSessionStore({ database: shared });
  const queue = createSqliteTurnQueue({ database: path });
  const log = createSqliteEventLog({ database: path });
  const request = message(conversation());
  await queue.send(request);
  const begun = await begin(store, (await takeOne(queue)).request);
  await log.append(begun.lease.tenant, request.turnId, [{ type: 'text', text: 'x' }]);
  await store.close();
  // A borrowed handle stays open for its owner.
  expect(shared.get('SELECT count(*) AS n FROM turns')?.n).toBe(1);
  expect(shared.get('SELECT count(*) AS n FROM events')?.n).toBe(1);
  expect(shared.get('SELECT count(*) AS n FROM messages')?.n).toBe(1);
  shared.close();
  await queue.close();
  await log.close();
});

test('the mapping table has exactly the seven columns; the file is its owner\u2019s alone', () => {
  const path = fileForTest();
  const db = openDatabase(path);
  const columns = db.all("SELECT name FROM pragma_table_info('mappings')").map(({ name }) => name);
  expect(columns.sort()).toEqual(
    ['session_key', 'session_id', 'chat_id', 'thread_id', 'created_at', 'updated_at', 'ttl'].sort(),
  );
  expect(db.get('PRAGMA journal_mode')?.journal_mode).toBe('wal');
  expect(db.get('PRAGMA synchronous')?.synchronous).toBe(2);
  expect(statSync(path).mode & 0o077).toBe(0);
  db.close();
});

test('a database from a newer version is refused and left as it is', () => {
  const path = fileForTest();
  openDatabase(path).close();
  const raw = new DatabaseSync(path);
  raw.exec('PRAGMA user_version = 99');
  raw.close();
  const error = thrownBy(() => openDatabase(path));
  expect(error).toBeInstanceOf(Invalid);
  expect(error).toMatchObject({
    code: 'database-too-new',
    advice: expect.stringContaining('Update hybrid-sessions'),
  });
  const after = new DatabaseSync(path);
  expect(after.prepare('PRAGMA user_version').get()?.user_version).toBe(99);
  after.close();
});

test('a file that is no database, and one of another program, are refused and left as they are', () => {
  const text = fileForTest();
  openDatabase(text).close();
  writeFileSync(text, 'This is a text file, long enough to be looked at. '.repeat(100));
  expect(thrownBy(() => openDatabase(text))).toMatchObject({ code: 'database-unreadable' });
  expect(readFileSync(text, 'utf8')).toContain('This is a text file');
  const foreign = join(text, '..', 'foreign.db');
  const raw = new DatabaseSync(foreign);
  raw.exec('CREATE TABLE recipes (name TEXT)');
  raw.close();
  const error = thrownBy(() => openDatabase(foreign));
  expect(error).toBeInstanceOf(Invalid);
  expect(error).toMatchObject({ code: 'database-unreadable' });
});

test('a place where no database can be is refused with advice', () => {
  const path = fileForTest();
  mkdirSync(path, { recursive: true });
  for (const place of [path, join(path, '..', 'file', 'x.db')]) {
    writeFileSync(join(path, '..', 'file'), '');
    const error = thrownBy(() => openDatabase(place));
    expect(error).toBeInstanceOf(Refused);
    expect(error).toMatchObject({ code: 'store-unreachable', advice: expect.any(String) });
  }
});

test('a lock that another process keeps is Refused, and nothing is half done', () => {
  const path = fileForTest();
  const db = openDatabase(path, { busyTimeoutMs: 20 });
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const error = thrownBy(() => db.write(() => db.run("INSERT INTO sent VALUES ('x', 1)")));
  expect(error).toBeInstanceOf(Refused);
  expect(error).toMatchObject({ code: 'store-busy' });
  other.exec('ROLLBACK');
  db.write(() => db.run("INSERT INTO sent VALUES ('x', 1)"));
  expect(db.all('SELECT * FROM sent')).toHaveLength(1);
  other.close();
  db.close();
});

test('a full disk and a read-only database are Refused with advice', () => {
  const path = fileForTest();
  openDatabase(path).close();
  const full = new DatabaseSync(path);
  const pages = Number(full.prepare('PRAGMA page_count').get()?.page_count);
  full.exec(`PRAGMA max_page_count = ${pages}`);
  const noSpace = thrownBy(() => full.exec(`INSERT INTO sent VALUES ('${'x'.repeat(1_000_000)}', 1)`));
  expect(translateSqliteError(noSpace)).toBeInstanceOf(Refused);
  expect(translateSqliteError(noSpace)).toMatchObject({ code: 'disk-full', advice: expect.any(String) });
  full.close();
  const fixed = new DatabaseSync(path, { readOnly: true });
  const noWrite = thrownBy(() => fixed.exec("INSERT INTO sent VALUES ('x', 1)"));
  expect(translateSqliteError(noWrite)).toMatchObject({ code: 'read-only', advice: expect.any(String) });
  fixed.close();
});

test(`${promise('NO-AMNESIA')} rows that cannot be read are Corrupt, never absent or new`, async () => {
  const path = fileForTest();
  const store = createSqliteSessionStore({ database: path });
  const of = conversation();
  const first = await wholeTurn(store, message(of));
  const raw = new DatabaseSync(path);
  raw.exec("UPDATE heads SET state = '{half'");
  expect(await failure(begin(store, message(of)))).toBeInstanceOf(Corrupt);
  expect(await failure(store.getHead(first.lease.tenant, first.lease.sessionId))).toBeInstanceOf(Corrupt);
  raw.exec('DELETE FROM heads');
  expect(await failure(begin(store, message(of)))).toMatchObject({ code: 'head-missing' });
  raw.exec('ALTER TABLE mappings RENAME TO elsewhere');
  expect(await failure(begin(store, message(of)))).not.toBeInstanceOf(Gone);
  raw.exec('ALTER TABLE elsewhere RENAME TO mappings');
  expect((await store.getMapping(first.lease.sessionKey))?.session_id).toBe(first.lease.sessionId);
  raw.close();
  await store.close();
});

test(`${promise('EXPIRE')} lines, mappings and events past their time are deleted; heads wait for erase`, async () => {
  const path = fileForTest();
  const clock = createManualClock();
  const store = createSqliteSessionStore({ database: path, clock });
  const log = createSqliteEventLog({ database: path, clock });
  const old = await wholeTurn(store, message(conversation()));
  await log.append(old.lease.tenant, old.turn.turnId, [{ type: 'text', text: 'secret' }]);
  await clock.advance(RETENTION_SEC * 1_000 + 2 * 60 * 60_000);
  await store.accept(message(conversation()), RETENTION_SEC);
  const db = openDatabase(path);
  const count = (table: string) => Number(db.get(`SELECT count(*) AS n FROM ${table}`)?.n);
  expect([count('turns'), count('mappings'), count('events'), count('heads')]).toEqual([1, 0, 0, 1]);
  expect(await store.erase(old.lease.sessionKey)).toEqual([old.lease.sessionId]);
  expect(count('heads')).toBe(0);
  db.close();
  await store.close();
  await log.close();
});

test(`${promise('EXPIRE')} erase takes events and dead letters of the conversation along`, async () => {
  const path = fileForTest();
  const db = openDatabase(path);
  const [store, queue] = [
    createSqliteSessionStore({ database: db }),
    createSqliteTurnQueue({ database: db }),
  ];
  const log = createSqliteEventLog({ database: db });
  const [mine, other] = [message(conversation()), message(conversation())];
  for (const request of [mine, other]) {
    const { lease } = await wholeTurn(store, request);
    await log.append(lease.tenant, request.turnId, [{ type: 'text', text: 'x' }]);
    await queue.send(request);
  }
  for (const delivery of await take(queue)) await delivery.deadLetter('no');
  await store.erase(mine.sessionKey);
  expect(db.all('SELECT turn_id FROM events')).toEqual([{ turn_id: other.turnId }]);
  const { items } = await queue.deadLetters.list();
  expect(items.map(({ request }) => request.turnId)).toEqual([other.turnId]);
  db.close();
});

test('tool calls can be looked at as long as the turn itself, then they go', async () => {
  const clock = createManualClock();
  const log = createSqliteEventLog({ database: fileForTest(), clock });
  const tool = { type: 'tool', id: 't', name: 'Bash', summary: 'ls', state: 'done' } as const;
  await log.append('acme' as never, 'old' as never, [tool]);
  const left = async () => {
    await log.append('acme' as never, `at-${clock.now()}` as never, [tool]);
    return await log.read('acme' as never, 'old' as never, 0, { waitMs: 0 });
  };
  await clock.advance((KEPT_SEC - 86_400) * 1_000);
  expect(await left()).toMatchObject([{ event: tool }]);
  await clock.advance(2 * 86_400 * 1_000);
  expect(await left()).toEqual([]);
  await log.close();
});

test('events of turns that ended long ago are pruned; a turn still going keeps all of its own', async () => {
  const clock = createManualClock();
  const log = createSqliteEventLog({ database: fileForTest(), clock, keepMs: 60_000 });
  const tenant = 'acme' as never;
  const said = [{ type: 'text', text: 'x' }] as const;
  await log.append(tenant, 'old' as never, said);
  await log.append(tenant, 'long' as never, said);
  await clock.advance(50_000);
  await log.append(tenant, 'long' as never, said);
  await clock.advance(50_000);
  await log.append(tenant, 'new' as never, said);
  const count = async (turn: string) => (await log.read(tenant, turn as never, 0, { waitMs: 0 })).length;
  expect([await count('old'), await count('long'), await count('new')]).toEqual([0, 2, 1]);
  await log.close();
});

test('a database of an older version gets the tables that are missing, and keeps what is in it', async () => {
  const path = fileForTest();
  const store = createSqliteSessionStore({ database: path });
  const request = message(conversation());
  await wholeTurn(store, request);
  await store.close();
  const raw = new DatabaseSync(path);
  raw.exec('DROP TABLE tenants; DROP TABLE tenant_bots; DROP TABLE audit; DROP TABLE links');
  raw.exec('ALTER TABLE turns DROP COLUMN written_in');
  raw.exec('ALTER TABLE turns DROP COLUMN timeline; ALTER TABLE turns DROP COLUMN attachments');
  raw.exec('ALTER TABLE heads DROP COLUMN consent; PRAGMA user_version = 1');
  raw.close();
  const registry = createSqliteTenantRegistry({ database: path });
  await registry.add('acme' as TenantName, tenantSettingsSchema.parse({}), 'ann');
  expect((await registry.list()).items).toHaveLength(1);
  await registry.close();
  const again = createSqliteSessionStore({ database: path });
  expect((await again.listTurns(request.sessionKey)).items).toMatchObject([{ timeline: null }]);
  await again.close();
});

test('every table that names tenants is counted and erased with one', async () => {
  const db = openDatabase(fileForTest());
  const [acme, beta] = ['acme', 'beta'] as Tenant[];
  const holdings = createSqliteTenantHoldings(db);
  expect((await holdings.count(acme!)).places).toBe(0);
  await holdings.erase(acme!);
  // These make their tables when they first write.
  const usage = createSqliteUsageLedger({ database: db });
  const places = createSqlitePlaces({ database: db });
  const schedules = createSqliteSchedules({ database: db });
  const webhooks = createSqliteWebhooks({ database: db });
  for (const tenant of [acme!, beta!]) {
    const key = sessionKeyOf({ tenant, channel: 'http', bot: 'api', chat: 'c', thread: null });
    await schedules.setTimeZone(key, 'Europe/Berlin');
    await webhooks.add(webhookOf(0, tenant));
    const account = { tenant, scope: 'speaker', id: 'ann' } as const;
    await usage.add([{ ...account, period: 'day', start: '2026-11-26' }], { ...NO_USAGE, calls: 1 });
    await places.take({ ...account, list: 'waiting' }, 'turn', { limit: 1, keepSec: 900 });
  }
  expect(await holdings.count(acme!)).toMatchObject({ usage: 1, places: 1, 'time zones': 1, webhooks: 1 });
  await holdings.erase(acme!);
  expect(await holdings.count(acme!)).toMatchObject({ usage: 0, places: 0, 'time zones': 0, webhooks: 0 });
  expect(await holdings.count(beta!)).toMatchObject({ usage: 1, places: 1, 'time zones': 1, webhooks: 1 });
  const tables = db.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  const naming = tables.filter(
    ({ name }) =>
      db.all("SELECT 1 FROM pragma_table_info(?) WHERE name IN ('tenant', 'session_key')", name as string)
        .length > 0,
  );
  const apart = ['tenants', 'tenant_bots', 'audit'];
  const held = naming.map(({ name }) => String(name)).filter((name) => !apart.includes(name));
  const counted = await createSqliteTenantHoldings(db).count('acme' as Tenant);
  expect(Object.keys(counted), held.join(', ')).toHaveLength(held.length);
  db.close();
});
