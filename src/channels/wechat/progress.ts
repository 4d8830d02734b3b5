// What a person sees while a turn runs: that somebody is typing. A message cannot be changed later and each one counts, so
// nothing else is shown, but for one line when something is away that the turn needs (HEARD). Best effort.
import { isLeaseLost } from '../../core/errors.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { Clock, ProgressSink, SendContext } from '../../core/ports.ts';
import { type Waiting, waitingText } from '../../core/waiting.ts';
import { readNote } from '../tencent/send-note.ts';
import type { WechatApi } from './api.ts';
import { replyTargetOf } from './reply-target.ts';

export interface ProgressDeps {
  readonly api: WechatApi;
  readonly clock: Clock;
  readonly log: Log;
}

/** WeChat shows it for about fifteen seconds, and only within thirty of the person's message. */
const TYPING_EVERY_MS = 14_000;
const TYPING_TIMES = 2;

export function openProgress({ api, clock, log }: ProgressDeps, context: SendContext): ProgressSink {
  const ended = new AbortController();
  const { openId } = replyTargetOf(context.request);
  const failed = (error: unknown) => {
    if (!isLeaseLost(error))
      log('debug', 'progress-not-shown', { turn: context.request.turnId, ...errorFields(error) });
  };
  let told: Promise<void> | null = null;

  async function type(): Promise<void> {
    for (let times = 0; times < TYPING_TIMES && !ended.signal.aborted; times++) {
      await api.sendTyping(openId);
      await clock.sleep(TYPING_EVERY_MS, ended.signal);
    }
  }

  async function tell({ waitingFor }: Waiting): Promise<void> {
    const anchor = readNote(context.anchor);
    if (anchor.told) return;
    // Recorded first: it is said once, however often the turn is tried.
    await context.remember({ ...anchor, told: true, sends: [...anchor.sends, clock.now()] });
    // The message stays in the chat, so it names no time.
    await api.sendText(openId, waitingText({ waitingFor, nextTryAtMs: null }));
  }

  const typing = type().catch(failed);
  return {
    push(event) {
      if (ended.signal.aborted || event.type !== 'status' || event.status !== 'waiting') return;
      told ??= tell(event).catch(failed);
    },
    async close() {
      ended.abort();
      await typing;
      await told;
    },
  };
}
