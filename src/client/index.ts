// The client of the HTTP API, for browsers and Node: no dependency, and no Node version of its own.
export { type Client, createClient, type SendOptions, type Sent } from './client.ts';
export { ApiProblem, ConnectionLost, isPassing } from './problem.ts';
export type { ClientOptions, PageOptions } from './requests.ts';
export type * from './shapes.ts';
