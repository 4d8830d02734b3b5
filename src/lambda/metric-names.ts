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
} as const;
