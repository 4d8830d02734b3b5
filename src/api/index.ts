// The HTTP API over ports of your choice, as a hono app. `openSystem` gives it ready as `fetch`.
import '../node-version.ts';

export { type AppOptions, createApp } from './app.ts';
export type { ApiDeps, Route, ServerInfo } from './deps.ts';
export type { AnswerView, ChatView, ReplyView, TurnView } from './views.ts';
