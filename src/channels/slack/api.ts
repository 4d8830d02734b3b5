// The few Web API methods this product uses, over Slack's own client. Every failure is one of our error families, and the
// token is in none of them. Nothing is repeated here: whoever calls knows whether that is safe and how long there is. A
// method that Slack limits stays limited for the whole workspace, so it is left alone until the time it named is over.
import { WebClient } from '@slack/web-api';
import { systemClock } from '../../core/clock.ts';
import { Gone, Invalid, isHybridError, Refused } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { type CallKind, slackError } from './api-errors.ts';
import { createFilesApi, type SlackFiles } from './files-api.ts';
import type { SlackIdentity } from './identity.ts';
import type { Destination } from './reply-target.ts';
import { createStreamApi, type SlackStreams, slackCode } from './stream-api.ts';

export interface SlackApiOptions {
  readonly token: string;
  /** Default `https://slack.com/api/`. */
  readonly apiUrl?: string;
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

/** A block of Block Kit. */
export type Block = Readonly<Record<string, unknown>> & { readonly type: string };

export interface MessageContent {
  /** What a notification says; the blocks stand in the message. */
  readonly text: string;
  /** None: the text itself is the message. */
  readonly blocks: readonly Block[];
}

export interface SlackApi {
  identify(): Promise<SlackIdentity>;
  /** Returns the new message's `ts`. */
  send(to: Destination, content: MessageContent): Promise<string>;
  /** Gone('message-gone') when there is nothing to edit. */
  edit(channel: string, ts: string, content: MessageContent): Promise<void>;
  /** Succeeds, too, when the message is gone. */
  remove(channel: string, ts: string): Promise<void>;
  readonly files: SlackFiles;
  readonly streams: SlackStreams;
}

export const DEFAULT_API_URL = 'https://slack.com/api/';
const DEFAULT_TIMEOUT_MS = 15_000;
/** Slack's client logs nothing by itself: what fails is an error of ours. */
export const quietLogger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  setName() {},
  getLevel: () => 'error' as never,
};

/** Throws `Invalid('bad-api-url')` at once; connects to nothing yet. */
export function createSlackApi(options: SlackApiOptions): SlackApi {
  const { token, timeoutMs = DEFAULT_TIMEOUT_MS, clock = systemClock } = options;
  const apiUrl = checkedUrl(options.apiUrl);
  const client = new WebClient(token, {
    slackApiUrl: apiUrl,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    allowAbsoluteUrls: false,
    timeout: timeoutMs,
    logger: quietLogger,
  });
  const limitedUntilMs = new Map<string, number>();

  async function call(method: string, kind: CallKind, body: Record<string, unknown>) {
    const leftMs = (limitedUntilMs.get(method) ?? 0) - clock.now();
    if (leftMs > 0) {
      throw new Refused('rate-limited', `Slack asked to wait before ${method} is called again.`, {
        // One more, because timers may fire a fraction early.
        retryAfterMs: leftMs + 1,
      });
    }
    limitedUntilMs.delete(method);
    try {
      return await client.apiCall(method, body);
    } catch (error) {
      const ours = slackError(error, method, kind);
      if (ours instanceof Refused && ours.code === 'rate-limited') {
        limitedUntilMs.set(method, clock.now() + ours.retryAfterMs);
      }
      throw ours;
    }
  }

  const streams = createStreamApi(call);
  /** A message that still streams can be neither changed nor deleted: it is stopped first. */
  async function whenStopped(channel: string, ts: string, refusal: string, change: () => Promise<unknown>) {
    try {
      await change();
    } catch (error) {
      if (!isHybridError(error) || slackCode(error) !== refusal) throw error;
      await streams.stop(channel, ts);
      await change();
    }
  }

  return {
    streams,
    files: createFilesApi({ call, token, apiUrl }),
    async identify() {
      const { team_id: teamId, user_id: botUserId } = (await call('auth.test', 'repeatable', {})) as {
        team_id?: unknown;
        user_id?: unknown;
      };
      if (typeof teamId === 'string' && typeof botUserId === 'string') return { teamId, botUserId };
      throw new Invalid('bad-token', 'Slack does not say whose token this is: it is not that of a bot.', {
        advice: 'Take the bot token, which begins with xoxb-.',
      });
    },
    async send({ channel, threadTs }, content) {
      const { ts } = (await call('chat.postMessage', 'send', {
        channel,
        ...(threadTs === null ? {} : { thread_ts: threadTs }),
        ...bodyOf(content),
        // Else Slack would fetch addresses that the model wrote.
        unfurl_links: false,
        unfurl_media: false,
      })) as { ts?: string };
      return ts ?? '';
    },
    async edit(channel, ts, content) {
      // Edits read mentions out of plain words unless they are told not to.
      const body = { channel, ts, ...bodyOf(content), parse: 'none', link_names: false };
      await whenStopped(channel, ts, 'streaming_state_conflict', () =>
        call('chat.update', 'repeatable', body),
      );
    },
    async remove(channel, ts) {
      try {
        await whenStopped(channel, ts, 'cant_delete_message', () =>
          call('chat.delete', 'repeatable', { channel, ts }),
        );
      } catch (error) {
        if (!(error instanceof Gone && error.code === 'message-gone')) throw error;
      }
    },
  };
}

/** An edit without blocks would leave those of before. */
function bodyOf({ text, blocks }: MessageContent) {
  return { text, blocks };
}

/** The client puts the method behind it. */
function checkedUrl(apiUrl = DEFAULT_API_URL): string {
  const url = URL.parse(apiUrl);
  if (url && (url.protocol === 'https:' || url.protocol === 'http:') && !url.search && !url.hash) {
    return apiUrl.endsWith('/') ? apiUrl : `${apiUrl}/`;
  }
  throw new Invalid('bad-api-url', 'The Slack API address is not an http(s) address.', {
    advice: `Set it to an address such as ${DEFAULT_API_URL}, or leave it out.`,
  });
}
