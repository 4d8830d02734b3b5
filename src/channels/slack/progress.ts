// What a person sees while a turn runs: in a thread Slack's own stream, elsewhere, and where that is refused, a placeholder
// at once and throttled edits of it.
import type { Log } from '../../core/log.ts';
import type { Clock, ProgressSink, SendContext } from '../../core/ports.ts';
import { openStream, type Stream } from '../../core/stream-progress.ts';
import { type EditedMessages, showByEdits } from '../edited-progress.ts';
import { readAnchor } from './anchor.ts';
import type { SlackApi } from './api.ts';
import { MAX_MESSAGE_LENGTH } from './capabilities.ts';
import { markdownContent, plainContent } from './content.ts';
import { isRefusedContent } from './deliver.ts';
import { type NativeStream, showNatively, titleOf } from './native-stream.ts';
import { sendPlaceholder } from './placeholder.ts';
import { replyTargetOf } from './reply-target.ts';

export interface ProgressDeps {
  readonly api: SlackApi;
  readonly clock: Clock;
  readonly log: Log;
  /** Least time between two edits: Slack counts them for a whole workspace, about 50 a minute. */
  readonly editEveryMs: number;
  /** Threads see Slack's own stream. */
  readonly streaming: boolean;
}

/** What keeps a text from calling a channel makes it longer. */
const MAX_SHOWN = MAX_MESSAGE_LENGTH - 1_000;

export function openProgress(deps: ProgressDeps, context: SendContext): ProgressSink {
  const { kind, turnId } = context.request;
  // Most presses say nothing of their own: a message comes when the agent goes on.
  const options = { log: deps.log, turnId, maxLength: MAX_SHOWN, waitsForEvent: kind === 'answer' };
  return openStream(options, (stream) => run(deps, context, stream));
}

async function run(deps: ProgressDeps, context: SendContext, stream: Stream): Promise<void> {
  const messages = messagesOf(deps, context);
  const native = deps.streaming ? nativeOf(deps, context) : null;
  // Where the last attempt waited its message is written on, which only an edit can.
  if (native === null || readAnchor(context.anchor).waits) return await showByEdits(messages, stream);
  await Promise.all([nameThread(native, context), showNatively(native, messages, stream)]);
}

/** null where Slack streams nothing: outside of threads, and for nobody in particular. */
function nativeOf({ api }: ProgressDeps, context: SendContext): NativeStream | null {
  const { channel, threadTs, recipient } = replyTargetOf(context.request);
  if (threadTs === null || !recipient) return null;
  return {
    ...{ api, recipient, thread: { channel, threadTs } },
    async recordNext(ts) {
      const before = readAnchor(context.anchor);
      await context.remember({ ...before, parts: [...before.parts, ts], landed: 0, of: null });
    },
  };
}

/** A new thread between a person and the app gets its first words as its name, where Slack lists such threads. */
async function nameThread({ api, thread }: NativeStream, context: SendContext): Promise<void> {
  const title = titleOf(context);
  if (context.generation > 0 || !thread.channel.startsWith('D') || title === null) return;
  await api.streams.setTitle(thread, title).catch(() => undefined);
}

function messagesOf({ api, clock, editEveryMs }: ProgressDeps, context: SendContext): EditedMessages<string> {
  const target = replyTargetOf(context.request);
  return {
    clock,
    context,
    everyMs: editEveryMs,
    anchor: () => readAnchor(context.anchor),
    send: (text, _how, record) => sendPlaceholder(api, target, text, record),
    show: (ts, text) => show(api, target.channel, ts, text),
    remove: (ts) => api.remove(target.channel, ts),
  };
}

async function show(api: SlackApi, channel: string, ts: string, text: string): Promise<void> {
  try {
    await api.edit(channel, ts, markdownContent(text));
  } catch (error) {
    if (!isRefusedContent(error)) throw error;
    await api.edit(channel, ts, plainContent(text));
  }
}
