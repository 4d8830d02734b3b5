// The package's own entry: `openSystem` for programs that send and answer, and the core for those that wire turns over
// ports of their choice. Adapters, agent and channels are subpaths (`hybrid-sessions/stores/sqlite`, `/agent` ...).
import './node-version.ts';

export * from './core/accept.ts';
export * from './core/clock.ts';
export * from './core/defaults.ts';
export * from './core/errors.ts';
export * from './core/ids.ts';
export * from './core/log.ts';
export * from './core/messages.ts';
export type * from './core/ports.ts';
export * from './core/principal.ts';
export * from './core/promises.ts';
export * from './core/records.ts';
export * from './core/running-turn.ts';
export * from './core/stop.ts';
export * from './core/sweep.ts';
export * from './core/turn.ts';
export * from './core/worker.ts';
export * from './system/index.ts';
