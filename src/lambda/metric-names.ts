// The metrics the functions write and the deployment's alarms and dashboard read.

export const METRIC_NAMESPACE = 'HybridSessions';

export const METRICS = {
  turns: 'Turns',
  retries: 'TurnRetries',
  dead: 'TurnsGivenUp',
  turnMs: 'TurnDuration',
  waitMs: 'TurnWait',
  undeliverable: 'UndeliverableReplies',
  unreadable: 'UnreadableStates',
  leaseLost: 'LeasesLost',
  /** From the message's acceptance to the first words of the reply. */
  firstTextMs: 'FirstText',
  /** Until the session stood in an agent host; the model's calls together; checkpoint and commit. */
  restoreMs: 'RestoreTime',
  modelMs: 'ModelTime',
  saveMs: 'SaveTime',
  /** Age of turns that wait for the model or a store, at each try. */
  outageMs: 'OutageAge',
  /** Invocations that could not begin: a missing parameter, a broken agent folder. */
  notReady: 'NotReady',
  /** Starts of a worker that the agent could look into, or whose agent's processes could outlive their turn. */
  exposed: 'WorkerExposed',
  /** Requests answered with 5xx: the platform or the browser has to send them again. */
  refused: 'RequestsRefused',
  /** Runs of the agent that the live one of the turn before served, and those that began anew. */
  hot: 'HotStarts',
  cold: 'ColdStarts',
} as const;
