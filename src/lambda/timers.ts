// The timers of an installation's schedules, as its functions reach them: with the function's own role, whoever the tenant is. A
// name among them is a digest of the conversation's key, which a turn of another tenant cannot bring about.
import { createEventBridgeTimers, type EventBridgeTimers } from '../stores/eventbridge/timers.ts';

export function timersOf(configuration: {
  readonly timerGroup: string;
  readonly timerRole: string;
  readonly timerQueue: string;
}): EventBridgeTimers {
  const { timerGroup: groupName, timerRole: roleArn, timerQueue: queueArn } = configuration;
  return createEventBridgeTimers({ groupName, roleArn, queueArn });
}
