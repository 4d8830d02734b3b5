// Telegram in a local system: finds out who the bot is, then polls. An address that does not answer yet is waited
// for; a wrong token ends it.
import { backoffMs } from '../../core/backoff.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { OfferedCommand } from '../../core/offered-commands.ts';
import type { Clock } from '../../core/ports.ts';
import { parseAllowList } from './allow-list.ts';
import { type BotIdentity, createTelegramApi, type TelegramApi } from './api.ts';
import { megabytes } from './file-limits.ts';
import type { GroupPolicy } from './group-policy.ts';
import { createTelegramPoller, type TelegramPollerOptions } from './poller.ts';

const REACHING = { firstMs: 1_000, maxMs: 60_000 };

export interface PollingContext extends Pick<TelegramPollerOptions, 'accept' | 'stop' | 'move'> {
  readonly settings: {
    readonly token: string;
    readonly apiRoot: string;
    readonly allowedUsers: unknown;
    readonly allowedGroups?: unknown;
    readonly gatherPasteMs: number;
    readonly maxFileMegabytes: number;
    readonly groups?: GroupPolicy;
  };
  readonly tenant: string;
  readonly commands?: readonly OfferedCommand[];
  readonly clock: Clock;
  readonly log: Log;
}

export async function pollTelegram(context: PollingContext, signal: AbortSignal): Promise<void> {
  const { settings, tenant, commands, accept, stop, move, clock, log } = context;
  const api = createTelegramApi(settings);
  const bot = await whoAmI(api, context, signal);
  if (bot === null) return;
  log('info', 'telegram-polling', { bot: bot.username });
  const maxFileBytes = megabytes(settings.maxFileMegabytes);
  const { allowedUsers, allowedGroups, gatherPasteMs: gatherMs, groups } = settings;
  const allow = parseAllowList(allowedUsers, allowedGroups);
  const policy = {
    tenant,
    allow,
    gatherMs,
    maxFileBytes,
    ...(commands && { commands }),
    ...(groups && { groups }),
  };
  await createTelegramPoller({ api, bot, policy, accept, stop, move, clock, log }).run(signal);
}

async function whoAmI(
  api: TelegramApi,
  { clock, log }: PollingContext,
  signal: AbortSignal,
): Promise<BotIdentity | null> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await api.getMe(signal);
    } catch (error) {
      if (isWrongToken(error)) throw error;
      const waitMs = backoffMs(REACHING, failures);
      log('warn', 'telegram-unreachable', { waitMs, ...errorFields(error) });
      await clock.sleep(waitMs, signal);
    }
  }
  return null;
}

function isWrongToken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'bad-token';
}
