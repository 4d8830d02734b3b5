// The channels there are. Every program takes this list unless it is given another one.
import { http } from './http/descriptor.ts';
import { telegram } from './telegram/descriptor.ts';
import { wechat } from './wechat/descriptor.ts';

export const CHANNELS = [http, telegram, wechat] as const;
