// Schedules on AWS: the table's records with a timer of EventBridge Scheduler for each due time.
import '../../node-version.ts';

export { withTimers } from '../timed-schedules.ts';
export { createEventBridgeTimers, type EventBridgeTimers, type EventBridgeTimersOptions } from './timers.ts';
