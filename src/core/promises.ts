// What the product promises, as data. A test cites an id with `promise('ID')` in its title; another test fails
// when a kept promise is cited by none. A `planned` one is still to be built: no doc, page or output may claim it.

export interface ProductPromise {
  readonly id: string;
  readonly text: string;
  readonly status: 'kept' | 'planned';
  /** Where it depends on where agents run. */
  readonly modes?: Readonly<Record<AgentMode, KeptInMode>>;
}

/** One machine with a sandbox, one without; on AWS an environment per session, or one for all. */
export const AGENT_MODES = ['sandboxed', 'bare', 'isolated', 'shared'] as const;
export type AgentMode = (typeof AGENT_MODES)[number];
/** The tests that show it, or why it is not kept there. */
export type KeptInMode = { readonly tests: readonly string[] } | { readonly not: string };

const EVERYWHERE = (...tests: readonly string[]): Readonly<Record<AgentMode, KeptInMode>> => ({
  sandboxed: { tests },
  bare: { tests },
  isolated: { tests },
  shared: { tests },
});

export const PROMISES = [
  {
    id: 'ONCE-IN',
    text: 'The same inbound message any number of times, even concurrently, is one turn and one reply',
    status: 'kept',
  },
  {
    id: 'ORDER',
    text: 'Turns of a conversation run one at a time in arrival order; conversations run in parallel',
    status: 'kept',
  },
  {
    id: 'ATOMIC',
    text: 'Generation N+1, the turn record and the outbox become visible together or not at all',
    status: 'kept',
  },
  { id: 'FENCED', text: 'A worker that lost its lease can neither commit nor deliver', status: 'kept' },
  {
    id: 'ONCE-OUT',
    text: 'After commit the model is never called again for that turn; only delivery is retried, and the user sees one reply',
    status: 'kept',
  },
  {
    id: 'ACKED',
    text: 'What was acknowledged to the platform is in the durable queue; if it could not be queued it was not acknowledged',
    status: 'kept',
  },
  {
    id: 'NO-AMNESIA',
    text: 'A store error is never "a new session". State that cannot be read is never replaced silently: the user is told, the last good generation stays',
    status: 'kept',
  },
  {
    id: 'WHOLE',
    text: 'Conversation, working directory, shell (`cd`, `export`), subagents, tasks, memory and file checkpoints come back on another machine as they were',
    status: 'kept',
  },
  {
    id: 'DELTA',
    text: "Bytes uploaded by a turn depend on what the turn changed, not on the session's age; restore needs at most 8 object reads at any age",
    status: 'kept',
  },
  {
    id: 'UNBLOCK',
    text: "A turn that dies or can't succeed holds its conversation up for about a minute, not the queue's visibility time, and ends in the dead-letter queue with one honest message to the user",
    status: 'kept',
  },
  {
    id: 'FORGET',
    text: "After a turn nothing on the worker lets another session read this one's data, and nothing it planted (config, hooks, skills, processes) survives",
    status: 'kept',
    modes: {
      sandboxed: {
        tests: [
          'attack/attack.test.ts',
          'host/agent-hosts-contract.ts',
          'host/hot-between-turns.long.test.ts',
        ],
      },
      bare: { not: "a process that hides the turn's mark stays, and writes where the server's user may" },
      isolated: { tests: ['lambda/isolated.long.test.ts', 'lambda/lambda-hosts.long.test.ts'] },
      shared: { tests: ['lambda/shared-user.long.test.ts'] },
    },
  },
  {
    id: 'NO-SECRETS',
    text: "The agent's process, its shell and its children can reach no credential: not by env, `/proc`, files or loopback",
    status: 'kept',
    modes: {
      sandboxed: {
        tests: [
          'attack/attack.test.ts',
          'host/agent-hosts-contract.ts',
          'host/model-door.test.ts',
          'cli/redaction.long.test.ts',
        ],
      },
      bare: { not: "the agent's shell reads what the server's user may read" },
      isolated: { tests: ['lambda/isolated.long.test.ts', 'lambda/lambda-hosts.long.test.ts'] },
      shared: { not: 'the worker cannot be looked into, but no wall stands between its user and the agent' },
    },
  },
  {
    id: 'TENANT',
    text: "No key, path or query built from user input can name another tenant's data; whitelists fail closed",
    status: 'kept',
    modes: EVERYWHERE(
      'stores/injective-keys.test.ts',
      'core/tenant-bound.test.ts',
      'aws/tenant-rights.test.ts',
      'tenants/bots.test.ts',
      'state/hostile.test.ts',
    ),
  },
  {
    id: 'LONG',
    text: 'A turn longer than one Lambda invocation stops at its deadline, checkpoints, and continues by itself in the next',
    status: 'kept',
  },
  {
    id: 'ASK',
    text: 'An approval or a question to the user holds no compute while it waits: the turn ends deferred and any worker resumes it',
    status: 'kept',
  },
  {
    id: 'EXPIRE',
    text: 'Retention is honoured: expired is absent; erase removes every object and item of a session, chat or tenant',
    status: 'kept',
  },
  {
    id: 'HEARD',
    text: 'Whatever is away, the person reads within 30 s what is waited for and that the message is kept; no outage, however long, burns a message',
    status: 'kept',
  },
  {
    id: 'APART',
    text: "One conversation's trouble costs no other conversation its answer",
    status: 'kept',
  },
  {
    id: 'MOMENT',
    text: "What a save holds is one moment of the session's files, as a power cut would leave them",
    status: 'kept',
  },
] as const satisfies readonly ProductPromise[];

export type PromiseId = (typeof PROMISES)[number]['id'];

/** Cites a promise in a test title, e.g. ``test(`${promise('ORDER')} turns queue up`, ...)``. */
export function promise(...ids: PromiseId[]): string {
  return ids.map((id) => `[${id}]`).join('');
}
