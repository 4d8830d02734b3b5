// All the core knows of the world. Each port has one exported contract suite in `testing/contracts/` that every
// adapter passes. Errors are the families of `errors.ts`; anything else that escapes an adapter is a defect.
export type * from './ports/channel.ts';
export type * from './ports/clock.ts';
export type * from './ports/execution.ts';
export type * from './ports/hosts.ts';
export type * from './ports/links.ts';
export type * from './ports/notes.ts';
export type * from './ports/objects.ts';
export type * from './ports/places.ts';
export type * from './ports/queue.ts';
export type * from './ports/schedules.ts';
export type * from './ports/store.ts';
export type * from './ports/tenants.ts';
export type * from './ports/transcriber.ts';
export type * from './ports/transfers.ts';
export type * from './ports/usage.ts';
export type * from './ports/vault.ts';
export type * from './ports/webhooks.ts';
export type * from './ports/workspace.ts';
