// The channels there are. Every program takes this list unless it is given another one.
import { http } from './http/descriptor.ts';
import { slack } from './slack/descriptor.ts';
import { telegram } from './telegram/descriptor.ts';
import { wechat } from './wechat/descriptor.ts';
import { wecom } from './wecom/descriptor.ts';

export const CHANNELS = [http, slack, telegram, wechat, wecom] as const;
