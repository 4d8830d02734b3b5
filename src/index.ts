// The package's own entry: the core. What a program needs to run turns over ports of its choice; adapters, agent,
// channels and the local server are subpaths (`hybrid-sessions/stores/sqlite`, `/agent`, `/server` ...).
export * from './core/clock.ts';
export * from './core/errors.ts';
export * from './core/ids.ts';
export * from './core/log.ts';
export * from './core/messages.ts';
export type * from './core/ports.ts';
export * from './core/promises.ts';
export * from './core/records.ts';
export * from './core/running-turn.ts';
export * from './core/turn.ts';
export * from './core/worker.ts';
