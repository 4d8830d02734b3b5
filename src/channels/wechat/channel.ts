// WeChat as a `Channel`: text out as customer-service messages, few of them, none of which can be changed later.

import { systemClock } from '../../core/clock.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { Channel, ChannelNotes, Clock } from '../../core/ports.ts';
import { createWechatApi } from './api.ts';
import { deliverToWechat } from './deliver.ts';
import { createWechatCall } from './http.ts';
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
  const api = createWechatApi({ ...options, clock, call: createWechatCall(options) });
  return {
    name: 'wechat',
    capabilities: { edit: false, markdown: false, maxTextLength: MAX_TEXT_LENGTH },
    open: (context) => openProgress({ api, clock, log }, context),
    deliver: (context, reply) => deliverToWechat({ api, clock, log }, context, reply),
  };
}
