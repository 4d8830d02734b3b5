// `hybrid-sessions/cdk`: a whole installation as one construct, for an app of your own.
export { HybridSessions } from './hybrid-sessions.ts';
export type { HybridSessionsProps, ModelProps, WorkerProps } from './props.ts';
