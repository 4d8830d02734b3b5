// What holds where nothing else is said, each stated once: settings, installations on AWS, commands and tests take it
// from here. docs/configuration.md and docs/deploy-aws.md tell people the same.
import type { Tenant } from './ids.ts';
import type { StateLimits } from './ports.ts';

export const DAY_SEC = 86_400;

/** A conversation unused for so long is gone. */
export const RETENTION_DAYS = 25;
export const RETENTION_SEC = RETENTION_DAYS * DAY_SEC;

/** Owner of everything, where no tenants are told apart. */
export const DEFAULT_TENANT = 'default' as Tenant;

export const WORKSPACE_LIMITS: StateLimits = {
  maxWorkspaceBytes: 1024 ** 3,
  maxWorkspaceFiles: 50_000,
};

/** Earlier generations that a session can go back to, the newest included. */
export const KEPT_GENERATIONS = 10;

/** How soon the parts of a paste follow each other, where a channel gathers them. */
export const GATHER_PASTE_MS = 1_000;

/** Processes that run turns on one machine. */
export const WORKERS = 2;

/** Conversations that may have a turn running at once on one machine, all processes together. */
export const TURNS_AT_ONCE = 16;

/** Sessions whose live agent stays for their next turn, on one machine; all worker processes together. */
export const HOT_SESSIONS = 4;
/** What the programs of one may hold meanwhile; an agent that did little holds about 250 MB. */
export const HOT_MEMORY_MB = 600;
export const HOT_IDLE_MINUTES = 15;

/** A running turn is saved this often, so that a crash costs no more. */
export const CHECKPOINT_EVERY_SEC = 60;

/** Failures of its own after which a turn is given up. */
export const MAX_ATTEMPTS = 3;

/**
 * A turn that is handed on at its deadline goes on for so many parts: about a day on Lambda. One that never ends would
 * cost for ever.
 */
export const MAX_TURN_PARTS = 100;

/** Turns at once on AWS. A new account has ten executions at once for all of its functions: the rest is for those that take messages. */
export const LAMBDA_WORKERS = 5;
/** With isolated agents a turn takes three executions at once and sometimes four. A new account has ten in all. */
export const ISOLATED_WORKERS = 2;

/** On one machine: what a killed worker costs its conversation. */
export const LOCAL_TIMES = { leaseMs: 10_000, heartbeatMs: 1_000, visibilityMs: 10_000 } as const;

/** On AWS, where each beat is a request that is paid for. */
export const LAMBDA_TIMES = {
  leaseMs: 45_000,
  heartbeatMs: 12_000,
  visibilityMs: 60_000,
  stopEveryMs: 1_500,
} as const;

/** On AWS, where a turn is only given up and delivered. */
export const STRANDED_TIMES = { leaseMs: 30_000, heartbeatMs: 10_000, visibilityMs: 60_000 } as const;
