// Notices that a turn's reply ends with, one sentence each: a tool server did not start, the conversation was summarised,
// blocks were taken out. A compaction is shown like a running tool while it lasts.
import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk';
import type { Log } from '../core/log.ts';
import type { TurnEvent } from '../core/ports/channel.ts';

export interface Notices {
  see(message: SDKMessage): void;
  add(sentence: string): void;
  /** The last compaction was tried and came to nothing. */
  readonly compactionFailed: boolean;
  /** The reply with all notices behind it. */
  below(text: string): string;
}

export function createNotices(options: {
  readonly progress: (event: TurnEvent) => void;
  readonly log: Log;
  readonly turn: string;
}): Notices {
  const sentences = new Set<string>();
  let compactions = 0;
  let compacting = false;
  let compactionFailed = false;

  function show(state: 'started' | 'done' | 'failed'): void {
    if (state === 'started') compactions += 1;
    compacting = state === 'started';
    const summary = 'Putting a summary in the place of what was said earlier';
    options.progress({ type: 'tool', id: `compaction-${compactions}`, name: 'Compaction', summary, state });
  }

  function seeSystem(message: Extract<SDKMessage, { type: 'system' }>): void {
    if (message.subtype === 'init') {
      for (const { name, status } of message.mcp_servers) {
        if (status === 'connected') continue;
        options.log('warn', 'tool-server-not-started', { turn: options.turn, server: name, status });
        sentences.add(`The tool server “${name}” did not start, so its tools were missing.`);
      }
    } else if (message.subtype === 'status' && message.status === 'compacting') {
      if (!compacting) show('started');
    } else if (message.subtype === 'status' && message.compact_result !== undefined) {
      compactionFailed = message.compact_result === 'failed';
      if (compacting) show(compactionFailed ? 'failed' : 'done');
      if (!compactionFailed) return;
      const reason = message.compact_error;
      options.log('warn', 'conversation-not-compacted', { turn: options.turn, reason });
    } else if (message.subtype === 'compact_boundary') {
      if (compacting) show('done');
      const { trigger, pre_tokens: before, post_tokens: after } = message.compact_metadata;
      options.log('info', 'conversation-compacted', { turn: options.turn, trigger, before, after });
      sentences.add(
        'What was said earlier in this conversation is now a summary to me. The operator can go back to the state ' +
          'before it with `hybrid-sessions sessions repair`.',
      );
    }
  }

  return {
    see(message) {
      if (message.type === 'system') seeSystem(message);
    },
    add: (sentence) => void sentences.add(sentence),
    get compactionFailed() {
      return compactionFailed;
    },
    below: (text) =>
      [text, ...[...sentences].map((sentence) => `_(${sentence})_`)].filter(Boolean).join('\n\n'),
  };
}
