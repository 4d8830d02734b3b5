// The Agent SDK's `SessionStore`, for programs that want durable transcripts and nothing else.
import '../node-version.ts';

export { type AgentSessionStoreOptions, createAgentSessionStore } from './agent-session-store.ts';
