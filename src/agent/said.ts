// All that the agent said in a turn, put together from the messages of the SDK: the CLI's own result holds only the
// last block of text. The answer is the main thread's text after its last tool call. Parts that the output limit cut
// are one text, as are the blocks of one message (citations split sentences); anything else begins a paragraph.
import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk';

export interface Said {
  /** Returns what a watcher is to see of this message: a piece of text, with the space before it. */
  see(message: SDKMessage): string;
  /** What was said last: after the last tool call or, where nothing was, before it. */
  answer(): string;
  /** Everything, in order, with what was being said when the turn was cut off. */
  all(): string;
}

interface Block {
  readonly type: string;
  readonly text?: string;
}

const PARAGRAPH = '\n\n';

export function createSaid(): Said {
  /** One text per stretch between tool calls; the last one is the answer in the making. */
  const stretches = [''];
  /** Streamed, but not known to be whole: a stream that breaks is asked for again from its start. */
  let unfinished = '';
  let messageId = '';
  let previous: string | null = null;
  let cut = false;
  let shown = '';

  const last = (): string => stretches.at(-1) ?? '';
  const begin = (id: string): void => {
    if (id === messageId) return;
    messageId = id;
    previous = null;
  };
  /** Before a block of text, from what came before it. */
  const spaceAfter = (text: string): string =>
    text === '' || previous === 'text' || (previous === null && cut) || text.endsWith(PARAGRAPH)
      ? ''
      : PARAGRAPH;

  function seeBlock(block: Block): void {
    if (block.type === 'text' && block.text) {
      stretches[stretches.length - 1] = last() + spaceAfter(last()) + block.text;
      unfinished = '';
    } else if (block.type === 'tool_use' && last() !== '') {
      stretches.push('');
    }
    previous = block.type;
    cut = false;
  }

  function seeStream(event: StreamEvent): string {
    if (event.type === 'message_start') {
      begin(event.message.id);
      unfinished = '';
    } else if (event.type === 'content_block_start' && event.content_block.type === 'text') {
      const space = spaceAfter(shown);
      unfinished = spaceAfter(last());
      shown += space;
      return space;
    } else if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') {
      const piece = event.delta.text ?? '';
      unfinished += piece;
      shown += piece;
      return piece;
    } else if (event.type === 'message_delta') {
      cut = event.delta.stop_reason === 'max_tokens';
    }
    return '';
  }

  return {
    see(message) {
      if (message.type === 'stream_event' && message.parent_tool_use_id === null) {
        return seeStream(message.event as StreamEvent);
      }
      if (isFromModel(message)) {
        begin(message.message.id);
        for (const block of message.message.content as unknown as Block[]) seeBlock(block);
        if (message.message.stop_reason === 'max_tokens') cut = true;
      }
      return '';
    },
    answer: () => (stretches.findLast((stretch) => stretch.trim() !== '') ?? '').trim(),
    all: () => [...stretches.slice(0, -1), last() + unfinished].filter(Boolean).join(PARAGRAPH).trim(),
  };
}

type StreamEvent =
  | { readonly type: 'message_start'; readonly message: { readonly id: string } }
  | { readonly type: 'content_block_start'; readonly content_block: Block }
  | { readonly type: 'content_block_delta'; readonly delta: Block }
  | { readonly type: 'message_delta'; readonly delta: { readonly stop_reason: string | null } }
  | { readonly type: 'other' };

/** To the main thread. The CLI writes in the model's name, too: errors, fillers such as "No response requested." */
export function isFromModel(message: SDKMessage): message is Extract<SDKMessage, { type: 'assistant' }> {
  if (message.type !== 'assistant' || message.parent_tool_use_id !== null) return false;
  return message.error === undefined && message.message.model !== '<synthetic>';
}
