// The state layer: a session's files as generations of immutable packs, and what reads and checks them.
import '../node-version.ts';

export type { Progress, StateProgress } from './progress.ts';
export { createSessionState, type SessionStateOptions } from './session-state.ts';
export { findOrphans, type StateReport, verifyState } from './verify.ts';
