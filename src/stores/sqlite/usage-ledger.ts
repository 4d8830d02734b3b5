// The usage ledger in SQLite: one table beside the sessions. Adds are one statement each, so processes may add at once. A power cut may lose the last adds, a killed process loses none.
import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { UsageAccount, UsageCounter, UsageLedger, UsageTotals } from '../../core/ports/usage.ts';
import { keepSec, NO_USAGE, newestFirst } from '../../core/usage-counters.ts';
import { epochSec } from '../rules/retention.ts';
import { borrowOrOpen, type Row, type SqliteDatabase } from './database.ts';

export interface SqliteUsageLedgerOptions {
  /** A path is best: the ledger then has a connection of its own that does not wait for the disk. */
  readonly database: string | SqliteDatabase;
  readonly clock?: Clock;
}

const ADD = `INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET
    calls = calls + excluded.calls,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
    cost_nano_usd = cost_nano_usd + excluded.cost_nano_usd,
    expires_at_sec = excluded.expires_at_sec`;

const OF_ACCOUNT = 'tenant = ? AND scope = ? AND id = ?';
const SWEEP_EVERY_MS = 60 * 60_000;

export function createSqliteUsageLedger(options: SqliteUsageLedgerOptions): UsageLedger {
  const clock = options.clock ?? systemClock;
  const { db, close } = borrowOrOpen(options.database, { durability: 'relaxed' });
  let sweptAtMs = Number.NEGATIVE_INFINITY;

  function sweep(): void {
    if (clock.now() - sweptAtMs < SWEEP_EVERY_MS) return;
    db.run('DELETE FROM usage WHERE expires_at_sec <= ?', epochSec(clock.now()));
    sweptAtMs = clock.now();
  }

  return {
    async add(counters, usage) {
      db.write(() => {
        sweep();
        for (const counter of counters) {
          const { tenant, scope, id, period, start } = counter;
          db.run(
            ADD,
            ...[tenant, scope, id, period, start],
            ...[usage.calls, usage.inputTokens, usage.outputTokens],
            ...[usage.cacheReadTokens, usage.cacheWriteTokens, usage.costNanoUsd],
            epochSec(clock.now()) + keepSec(counter),
          );
        }
      });
    },
    async read(counters) {
      return counters.map(({ tenant, scope, id, period, start }) => {
        const sql = `SELECT * FROM usage WHERE ${OF_ACCOUNT} AND period = ? AND start = ? AND expires_at_sec > ?`;
        const row = db.get(sql, tenant, scope, id, period, start, epochSec(clock.now()));
        return row ? usageOf(row) : NO_USAGE;
      });
    },
    async history({ tenant, scope, id }: UsageAccount) {
      const sql = `SELECT * FROM usage WHERE ${OF_ACCOUNT} AND expires_at_sec > ?`;
      return db
        .all(sql, tenant, scope, id, epochSec(clock.now()))
        .map((row) => ({
          ...{ tenant, scope, id, start: String(row.start) },
          period: String(row.period) as UsageCounter['period'],
          usage: usageOf(row),
        }))
        .sort(newestFirst);
    },
    async erase({ tenant, scope, id }) {
      db.write(() => db.run(`DELETE FROM usage WHERE ${OF_ACCOUNT}`, tenant, scope, id));
    },
    async close() {
      close();
    },
  };
}

function usageOf(row: Row): UsageTotals {
  return {
    calls: Number(row.calls),
    inputTokens: Number(row.input_tokens),
    outputTokens: Number(row.output_tokens),
    cacheReadTokens: Number(row.cache_read_tokens),
    cacheWriteTokens: Number(row.cache_write_tokens),
    costNanoUsd: Number(row.cost_nano_usd),
  };
}
