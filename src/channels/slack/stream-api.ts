// The Web API methods for streams and for what stands below a thread. A streamed message grows by appending and can be
// neither edited nor deleted before it is stopped. Slack stops it some five minutes after its start whatever is appended, and
// calls after that are refused (https://docs.slack.dev/reference/methods/chat.startStream, read 2026-11; the five minutes are
// reported, not documented: https://github.com/slackapi/node-slack-sdk/issues/2702).
import { Gone, type HybridError, isHybridError } from '../../core/errors.ts';
import type { CallKind } from './api-errors.ts';

export interface SlackThread {
  readonly channel: string;
  readonly threadTs: string;
}

/** Whom a stream is for; Slack wants both. */
export interface SlackRecipient {
  readonly user: string;
  readonly team: string;
}

export interface SlackStreams {
  /** Returns the `ts` of a message that is empty yet. */
  start(thread: SlackThread, recipient: SlackRecipient): Promise<string>;
  /** Gone('stream-over') when it takes no more, Gone('stopped') when a person stopped it. */
  append(channel: string, ts: string, markdown: string): Promise<void>;
  /** Succeeds, too, when it is over, or gone. */
  stop(channel: string, ts: string): Promise<void>;
  /** Below the thread, behind the app's name; fades after two minutes. Empty: nothing. */
  setStatus(thread: SlackThread, status: string): Promise<void>;
  /** In the app's list of threads; refused where a thread is none of those. */
  setTitle(thread: SlackThread, title: string): Promise<void>;
}

type Call = (method: string, kind: CallKind, body: Record<string, unknown>) => Promise<unknown>;

const OVER: Readonly<Record<string, string>> = {
  message_not_in_streaming_state: 'stream-over',
  stopped_by_user: 'stopped',
};

export function createStreamApi(call: Call): SlackStreams {
  return {
    async start({ channel, threadTs }, { user, team }) {
      const { ts } = (await call('chat.startStream', 'send', {
        ...{ channel, thread_ts: threadTs },
        ...{ recipient_user_id: user, recipient_team_id: team },
      })) as { ts?: string };
      return ts ?? '';
    },
    async append(channel, ts, markdown) {
      try {
        await call('chat.appendStream', 'send', { channel, ts, markdown_text: markdown });
      } catch (error) {
        const code = overCode(error);
        throw code ? new Gone(code, 'This stream takes no more.', { cause: error }) : error;
      }
    },
    async stop(channel, ts) {
      try {
        await call('chat.stopStream', 'repeatable', { channel, ts });
      } catch (error) {
        if (!overCode(error) && !(error instanceof Gone && error.code === 'message-gone')) throw error;
      }
    },
    async setStatus({ channel, threadTs }, status) {
      await call('assistant.threads.setStatus', 'repeatable', {
        ...{ channel_id: channel, thread_ts: threadTs, status },
      });
    },
    async setTitle({ channel, threadTs }, title) {
      await call('assistant.threads.setTitle', 'repeatable', {
        ...{ channel_id: channel, thread_ts: threadTs, title },
      });
    },
  };
}

function overCode(error: unknown): string | undefined {
  return isHybridError(error) ? OVER[slackCode(error)] : undefined;
}

/** What Slack itself called it. */
export function slackCode({ data }: HybridError): string {
  return String(data.error ?? '');
}
