// The channels a function can answer in: HTTP always, Telegram where there is a bot.
import { createHttpChannel } from '../channels/http/channel.ts';
import { createTelegramApi } from '../channels/telegram/api.ts';
import { createTelegramChannel } from '../channels/telegram/channel.ts';
import type { Log } from '../core/log.ts';
import type { Channel, EventLog } from '../core/ports.ts';

/** Every write of the event log is billed: deltas are gathered for longer than on one machine. */
const GATHER_MS = 300;

export function openChannels(options: {
  readonly events: EventLog;
  readonly telegramToken: string | undefined;
  readonly telegramApiRoot: string | undefined;
  readonly log: Log;
}): ReadonlyMap<string, Channel> {
  const { events, telegramToken, telegramApiRoot, log } = options;
  const channels: Channel[] = [createHttpChannel({ events, log, gatherMs: GATHER_MS })];
  if (telegramToken !== undefined) {
    const apiRoot = telegramApiRoot === undefined ? {} : { apiRoot: telegramApiRoot };
    channels.push(
      createTelegramChannel({ api: createTelegramApi({ token: telegramToken, ...apiRoot }), log }),
    );
  }
  return new Map(channels.map((channel) => [channel.name, channel]));
}
