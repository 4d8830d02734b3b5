// Slack as a `Channel`. The guarantee: one visible reply per turn, however often `deliver` is repeated. What it costs: the
// reply arrives as an edit of a placeholder, and an answer lost at the wrong moment can leave a placeholder behind.
import { systemClock } from '../../core/clock.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { Channel, Clock } from '../../core/ports.ts';
import type { SlackApi } from './api.ts';
import { MAX_MESSAGE_LENGTH } from './content.ts';
import { deliverToSlack } from './deliver.ts';
import { openProgress } from './progress.ts';

export interface SlackChannelOptions {
  readonly api: SlackApi;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly editEveryMs?: number;
}

const EDIT_EVERY_MS = 2_500;

export function createSlackChannel(options: SlackChannelOptions): Channel {
  const { api, clock = systemClock, log = silentLog, editEveryMs = EDIT_EVERY_MS } = options;
  return {
    name: 'slack',
    capabilities: { edit: true, markdown: true, maxTextLength: MAX_MESSAGE_LENGTH, buttons: true },
    open: (context) => openProgress({ api, clock, log, editEveryMs }, context),
    deliver: (context, reply) => deliverToSlack(api, context, reply),
  };
}
