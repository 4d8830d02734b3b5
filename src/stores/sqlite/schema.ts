// The tables of one local database. `user_version` is the version of this schema; a database of a newer version
// is refused rather than misread. The mapping has exactly its seven columns.
import type { DatabaseSync } from 'node:sqlite';
import { Invalid } from '../../core/errors.ts';

/** Marks the file as ours ("HySe"), so that another program's database is not filled with our tables. */
const APPLICATION_ID = 0x48795365;

const SESSIONS = `
  CREATE TABLE mappings (
    session_key TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    thread_id TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    ttl INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE heads (
    tenant TEXT NOT NULL,
    session_id TEXT NOT NULL,
    session_key TEXT NOT NULL,
    generation INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    state TEXT,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    expires_at_sec INTEGER NOT NULL,
    lease_owner TEXT,
    lease_until_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, session_id)
  ) STRICT;
  CREATE INDEX heads_by_use ON heads (tenant, updated_at_ms DESC, session_id);
  CREATE INDEX heads_by_key ON heads (session_key);

  CREATE TABLE turns (
    tenant TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    session_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    dedupe_id TEXT NOT NULL,
    text TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    stop_requested INTEGER NOT NULL,
    session_id TEXT,
    generation INTEGER,
    reply TEXT,
    anchor TEXT,
    sequence INTEGER NOT NULL,
    received_at_ms REAL NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    expires_at_sec INTEGER NOT NULL,
    committed_fence INTEGER,
    PRIMARY KEY (tenant, turn_id)
  ) STRICT;
  CREATE UNIQUE INDEX turns_in_order ON turns (session_key, sequence);
  CREATE INDEX turns_by_expiry ON turns (expires_at_sec);

  CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_key TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    body TEXT NOT NULL,
    receive_count INTEGER NOT NULL,
    visible_at_ms INTEGER NOT NULL,
    receipt TEXT
  ) STRICT;
  CREATE INDEX messages_in_order ON messages (session_key, id);

  CREATE TABLE sent (
    dedupe_id TEXT PRIMARY KEY,
    sent_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sent_by_age ON sent (sent_at_ms);

  CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_key TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    body TEXT NOT NULL,
    reason TEXT NOT NULL,
    receive_count INTEGER NOT NULL,
    dead_at_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE events (
    tenant TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (tenant, turn_id, sequence)
  ) STRICT, WITHOUT ROWID;
`;

const TENANTS = `
  CREATE TABLE tenants (
    tenant TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    version INTEGER NOT NULL,
    settings TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tenant_bots (
    channel TEXT NOT NULL,
    bot TEXT NOT NULL,
    tenant TEXT NOT NULL,
    PRIMARY KEY (channel, bot)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    done_by TEXT NOT NULL,
    action TEXT NOT NULL,
    tenant TEXT,
    detail TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX audit_of_tenant ON audit (tenant, id);
`;

const USAGE = `
  CREATE TABLE IF NOT EXISTS usage (
    tenant TEXT NOT NULL,
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    period TEXT NOT NULL,
    start TEXT NOT NULL,
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cost_nano_usd INTEGER NOT NULL,
    expires_at_sec INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope, id, period, start)
  ) STRICT, WITHOUT ROWID;
`;

const CONSENT = 'ALTER TABLE heads ADD COLUMN consent TEXT;';

const TIMELINES = 'ALTER TABLE turns ADD COLUMN timeline TEXT;';

const ATTACHMENTS = 'ALTER TABLE turns ADD COLUMN attachments TEXT;';

const LINKS = `
  ALTER TABLE turns ADD COLUMN written_in TEXT;
  CREATE TABLE links (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    version TEXT NOT NULL,
    expires_at_sec INTEGER,
    PRIMARY KEY (tenant, name)
  ) STRICT, WITHOUT ROWID;
`;

/** What each version of the schema added to the one before. A database is brought up from whichever it has. */
const STEPS: readonly string[] = [SESSIONS, TENANTS, USAGE, CONSENT, TIMELINES, ATTACHMENTS, LINKS];

const SCHEMA_VERSION = STEPS.length;

function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}

/** Makes the tables that are missing; throws `Invalid` on a database that is not ours to use. */
export function prepareSchema(db: DatabaseSync): void {
  if (versionOf(db) === SCHEMA_VERSION) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    // Another process may have been quicker.
    for (const step of STEPS.slice(versionOf(db))) db.exec(step);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** 0: nothing is in it yet. */
function versionOf(db: DatabaseSync): number {
  const tables = Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n);
  if (tables === 0) return 0;
  if (pragma(db, 'application_id') !== APPLICATION_ID) {
    throw new Invalid('database-unreadable', 'The file is a database of another program.', {
      advice: 'Move the file away, or point the data folder elsewhere.',
    });
  }
  const version = pragma(db, 'user_version');
  if (version > SCHEMA_VERSION) {
    throw new Invalid(
      'database-too-new',
      `The database has version ${version}, newer than this program knows.`,
      {
        advice: 'Update hybrid-sessions, or use the version that wrote this data folder.',
        data: { version, known: SCHEMA_VERSION },
      },
    );
  }
  return version;
}
