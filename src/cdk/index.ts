// `hybrid-sessions/cdk`: a whole installation as one construct, for use in your own CDK app.
export { HybridSessions } from './hybrid-sessions.ts';
export type { HybridSessionsProps, ModelProps, WorkerProps } from './props.ts';
