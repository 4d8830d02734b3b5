// WeChat as a `Channel`: text, pictures and voice out as customer-service messages, few of them, none of which can be
// changed later.

import { systemClock } from '../../core/clock.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { Channel, ChannelNotes, Clock } from '../../core/ports.ts';
import { createWechatApi } from './api.ts';
import { deliverToWechat } from './deliver.ts';
import { createWechatHttp } from './http.ts';
import { fetchWechatMedia } from './media.ts';
import { MAX_TEXT_LENGTH } from './message-text.ts';
import { openProgress } from './progress.ts';

export interface WechatChannelOptions {
  readonly appId: string;
  readonly appSecret: string;
  readonly apiRoot: string;
  readonly notes: ChannelNotes;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly timeoutMs?: number;
}

export function createWechatChannel(options: WechatChannelOptions): Channel {
  const { clock = systemClock, log = silentLog } = options;
  const api = createWechatApi({ ...options, clock, http: createWechatHttp(options) });
  return {
    name: 'wechat',
    capabilities: { edit: false, markdown: false, maxTextLength: MAX_TEXT_LENGTH, files: true },
    fetchFile: (_request, remote) => fetchWechatMedia(api, remote),
    open: (context) => openProgress({ api, clock, log }, context),
    deliver: (context, reply) => deliverToWechat({ api, clock, log }, context, reply),
  };
}
