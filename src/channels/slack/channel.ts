// Slack as a `Channel`. The guarantee: one visible reply per turn, however often `deliver` is repeated. What it costs: the
// reply arrives as an edit of a placeholder, and an answer lost at the wrong moment can leave a placeholder behind.
import { MAX_FILE_BYTES } from '../../core/attachments.ts';
import { systemClock } from '../../core/clock.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { Channel, Clock } from '../../core/ports.ts';
import type { SlackApi } from './api.ts';
import { SLACK_CAPABILITIES } from './capabilities.ts';
import { deliverToSlack } from './deliver.ts';
import { fetchSlackFile } from './fetch-file.ts';
import { openProgress } from './progress.ts';

export interface SlackChannelOptions {
  readonly api: SlackApi;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly editEveryMs?: number;
  /** Threads see Slack's own stream; on by default. */
  readonly streaming?: boolean;
}

const EDIT_EVERY_MS = 2_500;

export function createSlackChannel(options: SlackChannelOptions): Channel {
  const { api, clock = systemClock, log = silentLog, editEveryMs = EDIT_EVERY_MS } = options;
  const { streaming = true } = options;
  return {
    name: 'slack',
    capabilities: SLACK_CAPABILITIES,
    fetchFile: (_request, remote) => fetchSlackFile(api.files, remote, MAX_FILE_BYTES),
    open: (context) => openProgress({ api, clock, log, editEveryMs, streaming }, context),
    deliver: (context, reply) => deliverToSlack(api, context, reply),
  };
}
