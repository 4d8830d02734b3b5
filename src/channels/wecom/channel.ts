// A WeCom AI bot as a `Channel`: one message in answer to each one, which cannot be changed later. Nothing is shown while the
// turn runs: that would use the message up. Files of people are fetched where WeCom keeps them.
import { systemClock } from '../../core/clock.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { Channel, Clock } from '../../core/ports.ts';
import { createWecomApi } from './api.ts';
import { deliverToWecom } from './deliver.ts';
import { fetchWecomMedia } from './media.ts';
import { MAX_TEXT_LENGTH } from './message-text.ts';

export interface WecomChannelOptions {
  /** What files are encrypted with. */
  readonly aesKey: string;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly timeoutMs?: number;
}

export function createWecomChannel(options: WecomChannelOptions): Channel {
  const { clock = systemClock, log = silentLog } = options;
  const api = createWecomApi(options);
  return {
    name: 'wecom',
    capabilities: { edit: false, markdown: true, maxTextLength: MAX_TEXT_LENGTH },
    fetchFile: (_request, remote) => fetchWecomMedia(options.aesKey, remote),
    open: () => ({ push() {}, async close() {} }),
    deliver: (context, reply) => deliverToWecom({ api, clock, log }, context, reply),
  };
}
