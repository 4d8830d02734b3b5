// The HTTP channel writes progress and replies to the event log, from which the server's event streams read. Text
// deltas that arrive within a moment are joined, so that a fast model causes few writes. Progress is best effort. The
// reply itself is in the ledger; the event log keeps one `final` event, however often the reply is delivered.
import { isChatName } from '../../api/chat-name.ts';
import { errorFields, type Log, silentLog } from '../../core/log.ts';
import type { Channel, EventLog, ProgressSink, SendContext, TurnEvent } from '../../core/ports.ts';

export interface HttpChannelOptions {
  readonly events: EventLog;
  readonly log?: Log;
  /** How long deltas are gathered before they are written. */
  readonly gatherMs?: number;
}

/** Longest reply that is shown in one piece; the API has no limit of its own. */
const MAX_TEXT_LENGTH = 1_000_000;

export function createHttpChannel(options: HttpChannelOptions): Channel {
  const { events, log = silentLog, gatherMs = 30 } = options;
  return {
    name: 'http',
    capabilities: { edit: false, markdown: true, maxTextLength: MAX_TEXT_LENGTH, files: true },
    open: (context) => createSink(events, context, log, gatherMs),
    async deliver(context, reply) {
      const { request, tenant, sessionId, generation } = context;
      await events.append(tenant, request.turnId, [{ type: 'final', reply, sessionId, generation }]);
    },
    async openConversation({ request }, name) {
      const chat = isChatName(name) ? name : `fork-${request.turnId.slice(5, 17)}`;
      return { ...request.conversation, chat };
    },
  };
}

function createSink(events: EventLog, context: SendContext, log: Log, gatherMs: number): ProgressSink {
  let waiting: TurnEvent[] = [];
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  // One write at a time: the log keeps the order in which appends arrive.
  let written: Promise<void> = Promise.resolve();

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    written = written
      .then(() => events.append(context.tenant, context.request.turnId, batch))
      .catch((error) => log('warn', 'progress-lost', { events: batch.length, ...errorFields(error) }));
  }

  return {
    push(event) {
      if (closed || event.type === 'final') return;
      const last = waiting.at(-1);
      if (event.type === 'text' && last?.type === 'text') {
        waiting[waiting.length - 1] = { type: 'text', text: last.text + event.text };
      } else waiting.push(event);
      timer ??= setTimeout(flush, gatherMs);
    },
    async close() {
      closed = true;
      flush();
      await written;
    },
  };
}
