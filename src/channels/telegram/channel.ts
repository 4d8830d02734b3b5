// Telegram as a `Channel`. The guarantee: one visible reply per turn, however often `deliver` is repeated. What it
// costs: the reply arrives as an edit of a placeholder, and an answer lost at the wrong moment can leave a
// placeholder behind (see docs/telegram.md).
import { systemClock } from '../../core/clock.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { Channel, Clock } from '../../core/ports.ts';
import { readAnchor } from './anchor.ts';
import type { TelegramApi } from './api.ts';
import { TELEGRAM_CAPABILITIES } from './capabilities.ts';
import { deliverToTelegram } from './deliver.ts';
import { fetchTelegramFile } from './fetch-file.ts';
import { TELEGRAM_FILE_BYTES } from './file-limits.ts';
import { openTopic } from './open-topic.ts';
import { pacedApi } from './paced-api.ts';
import { type AnswerPlace, openProgress, type ProgressDeps } from './progress.ts';

const TELEGRAM = 'telegram';

export interface TelegramChannelOptions {
  readonly api: TelegramApi;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly editEveryMs?: ProgressDeps['editEveryMs'];
  /** Of a file that people send. @default what Telegram's own server gives out */
  readonly maxFileBytes?: number;
  /** On by default. */
  readonly drafts?: boolean;
  /** `edit` by default. */
  readonly answer?: AnswerPlace;
}

/** Telegram counts edits with sends: about one a second in a private chat, 20 a minute in a group. */
const EDIT_EVERY_MS = { private: 1_100, group: 3_100 };

export function createTelegramChannel(options: TelegramChannelOptions): Channel {
  const { clock = systemClock, log = silentLog, editEveryMs = EDIT_EVERY_MS } = options;
  const { drafts = true, answer = 'edit' } = options;
  const api = pacedApi(options.api, clock);
  return {
    name: TELEGRAM,
    capabilities: TELEGRAM_CAPABILITIES,
    holds: (anchor, ref) => readAnchor(anchor).parts.some((part) => String(part) === ref),
    fetchFile: (_request, remote) =>
      fetchTelegramFile(api, remote, options.maxFileBytes ?? TELEGRAM_FILE_BYTES),
    open: (context) => openProgress({ api, clock, log, editEveryMs, drafts, answer }, context),
    openConversation: (context, name) => openTopic(api, context, name),
    deliver: (context, reply) => deliverToTelegram(api, context, reply, answer),
  };
}
