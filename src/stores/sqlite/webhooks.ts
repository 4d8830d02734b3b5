// Webhooks and their log in SQLite: beside the sessions, made with the first one. The server's clock waits on the database
// itself, so what a worker writes is sent at once.
import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { WebhookStore } from '../../core/ports/webhooks.ts';
import {
  deliveryIdOf,
  parseDelivery,
  parseWebhook,
  type Webhook,
  type WebhookDelivery,
  type WebhookId,
} from '../../core/webhooks.ts';
import { decodeCursor, encodeCursor, pageSize } from '../rules/paging.ts';
import { byWebhookAge, isKeptDelivery, webhookChanged } from '../rules/webhooks.ts';
import { borrowOrOpen, type Row, type SqliteDatabase } from './database.ts';

export interface SqliteWebhooksOptions {
  readonly database: string | SqliteDatabase;
  readonly clock?: Clock;
}

const TABLES = [
  `CREATE TABLE IF NOT EXISTS webhooks (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS webhook_deliveries (
  tenant TEXT NOT NULL,
  webhook TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  due_ms INTEGER,
  expires_at_ms INTEGER NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (tenant, webhook, id)
) STRICT, WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS webhook_deliveries_due ON webhook_deliveries (due_ms) WHERE due_ms IS NOT NULL',
  'CREATE INDEX IF NOT EXISTS webhook_deliveries_by_expiry ON webhook_deliveries (expires_at_ms)',
];

/** A timer is never longer: what Node can count, and a look at the clock now and then. */
const LONGEST_WAIT_MS = 3_600_000;
const NOT_TO = 'webhook NOT IN (SELECT value FROM json_each(?))';
const OF_DELIVERY = 'tenant = ? AND webhook = ? AND id = ?';

export function createSqliteWebhooks(options: SqliteWebhooksOptions): WebhookStore {
  const clock = options.clock ?? systemClock;
  const { db, close } = borrowOrOpen(options.database);
  let isMade = false;

  function hasTables(): boolean {
    const last = "SELECT 1 FROM sqlite_schema WHERE name = 'webhook_deliveries_by_expiry'";
    isMade ||= db.get(last) !== undefined;
    return isMade;
  }

  function make(): void {
    if (!hasTables()) for (const sql of TABLES) db.run(sql);
  }

  function changedOne(sql: string, ...values: readonly (string | number | null)[]): void {
    const changed = db.write(() => {
      make();
      return db.run(sql, ...values);
    });
    if (changed === 0) throw webhookChanged();
  }

  return {
    async list(tenant) {
      if (!hasTables()) return [];
      const rows = db.all('SELECT record FROM webhooks WHERE tenant = ?', tenant);
      return rows.map((row) => parseWebhook(recordOf(row))).sort(byWebhookAge);
    },
    async add(webhook) {
      const { tenant, id, version } = webhook;
      const values = [tenant, id, version, JSON.stringify(webhook)];
      changedOne('INSERT OR IGNORE INTO webhooks VALUES (?, ?, ?, ?)', ...values);
    },
    async set(webhook) {
      const { tenant, id, version } = webhook;
      const next: Webhook = { ...webhook, version: version + 1 };
      changedOne(
        'UPDATE webhooks SET version = ?, record = ? WHERE tenant = ? AND id = ? AND version = ?',
        ...[next.version, JSON.stringify(next), tenant, id, version],
      );
    },
    async remove(tenant, id) {
      if (!hasTables()) return false;
      return db.write(() => {
        db.run('DELETE FROM webhook_deliveries WHERE tenant = ? AND webhook = ?', tenant, id);
        return db.run('DELETE FROM webhooks WHERE tenant = ? AND id = ?', tenant, id) === 1;
      });
    },
    async enqueue(delivery) {
      const { tenant, webhook, id, version, dueMs, expiresAtMs } = delivery;
      return db.write(() => {
        make();
        db.run('DELETE FROM webhook_deliveries WHERE expires_at_ms <= ?', clock.now());
        const values = [tenant, webhook, id, version, dueMs, expiresAtMs, JSON.stringify(delivery)];
        const sql = 'INSERT OR IGNORE INTO webhook_deliveries VALUES (?, ?, ?, ?, ?, ?, ?)';
        return db.run(sql, ...values) === 1;
      });
    },
    async delivery(tenant, webhook, id) {
      if (!hasTables()) return null;
      const sql = `SELECT record FROM webhook_deliveries WHERE ${OF_DELIVERY}`;
      const row = db.get(sql, tenant, webhook, id);
      const found = row && parseDelivery(recordOf(row));
      return found && isKeptDelivery(found, clock.now()) ? found : null;
    },
    async update(delivery) {
      const { tenant, webhook, id, version, dueMs, expiresAtMs } = delivery;
      const next: WebhookDelivery = { ...delivery, version: version + 1 };
      changedOne(
        `UPDATE webhook_deliveries SET version = ?, due_ms = ?, expires_at_ms = ?, record = ? WHERE ${OF_DELIVERY} AND version = ?`,
        ...[next.version, dueMs, expiresAtMs, JSON.stringify(next), tenant, webhook, id, version],
      );
    },
    async log(tenant, webhook, page) {
      const [before = '\uFFFF'] = (decodeCursor(page?.cursor, ['string']) ?? []) as [string?];
      if (!hasTables()) return { items: [], cursor: null };
      const limit = pageSize(page);
      const rows = db.all(
        `SELECT record FROM webhook_deliveries
         WHERE tenant = ? AND webhook = ? AND id < ? AND expires_at_ms > ? ORDER BY id DESC LIMIT ?`,
        ...[tenant, webhook, before, clock.now(), limit + 1],
      );
      const items = rows.slice(0, limit).map((row) => parseDelivery(recordOf(row)));
      const last = items.at(-1);
      return { items, cursor: last && rows.length > limit ? encodeCursor([last.id]) : null };
    },
    async forget(tenant, turns) {
      if (!hasTables()) return;
      db.write(() => {
        for (const row of db.all('SELECT id FROM webhooks WHERE tenant = ?', tenant)) {
          const webhook = String(row.id) as WebhookId;
          for (const turn of turns) {
            const sql = `DELETE FROM webhook_deliveries WHERE ${OF_DELIVERY}`;
            db.run(sql, tenant, webhook, deliveryIdOf(webhook, turn));
          }
        }
      });
    },
    due: {
      async list(nowMs, limit, without) {
        if (!hasTables()) return [];
        const sql = `SELECT record FROM webhook_deliveries WHERE due_ms <= ? AND ${NOT_TO} ORDER BY due_ms LIMIT ?`;
        return db.all(sql, nowMs, JSON.stringify(without), limit).map((row) => parseDelivery(recordOf(row)));
      },
      async wait(signal, without) {
        const version = db.dataVersion();
        const leftMs = Math.min(nextDueMs(without) - clock.now(), LONGEST_WAIT_MS);
        if (leftMs > 0) await db.waitForChange(version, clock, leftMs, signal);
      },
    },
    async close() {
      close();
    },
  };

  function nextDueMs(without: readonly WebhookId[]): number {
    if (!hasTables()) return Number.POSITIVE_INFINITY;
    const sql = `SELECT min(due_ms) AS due FROM webhook_deliveries WHERE due_ms IS NOT NULL AND ${NOT_TO}`;
    const due = db.get(sql, JSON.stringify(without))?.due;
    return due === null || due === undefined ? Number.POSITIVE_INFINITY : Number(due);
  }
}

function recordOf(row: Row): unknown {
  return JSON.parse(String(row.record));
}
