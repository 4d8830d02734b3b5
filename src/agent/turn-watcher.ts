// Follows the SDK's messages of one turn: turns them into progress for those who watch, and remembers what the
// outcome is made of. Only the main thread's text is shown; tools of subagents are shown with a mark.
import type { SDKMessage, SDKResultMessage } from '@anthropic-ai/claude-agent-sdk';
import type { TurnEvent } from '../core/ports/channel.ts';
import { createSaid, isFromModel } from './said.ts';
import { toolDiff, toolInput, toolResult } from './tool-detail.ts';
import { summarizeTool } from './tool-summary.ts';

export interface ObservedTurn {
  /** The last result; a turn that hands over has more than one. */
  readonly result: SDKResultMessage | null;
  /** All of the main thread's text. */
  readonly text: string;
  /** Of it, what is the answer (see said.ts). */
  readonly answer: string;
  /** Tokens of the main thread's last request and its answer; 0 before the first. */
  readonly contextTokens: number;
  /** Messages of the model to the main thread. */
  readonly answers: number;
  /** Why the last model request failed, as the CLI names it. */
  readonly modelError: { readonly kind: string; readonly text: string } | null;
  /** The last failed attempt at the model, while the CLI still retried. */
  readonly retry: { readonly status: number | null } | null;
}

export interface TurnWatcher {
  see(message: SDKMessage): void;
  seen(): ObservedTurn;
  /** A call of an earlier turn that runs now: its result is seen here, the call itself was seen then. */
  goesOn(call: { readonly id: string; readonly name: string; readonly input: unknown }): void;
  /** The turn begins another run: what the last one ended with is the past. What was said stays said. */
  again(): void;
  /** Marks tools that never came to an end as failed. */
  close(): void;
}

interface Block {
  readonly type: string;
  readonly id?: string;
  readonly name?: string;
  readonly input?: unknown;
  readonly text?: string;
  readonly tool_use_id?: string;
  readonly is_error?: boolean;
  readonly content?: unknown;
}

export function createTurnWatcher(options: {
  readonly workspace: string;
  readonly progress: (event: TurnEvent) => void;
}): TurnWatcher {
  const open = new Map<string, { readonly name: string; readonly summary: string }>();
  let result: SDKResultMessage | null = null;
  const said = createSaid();
  let answers = 0;
  let contextTokens = 0;
  let modelError: ObservedTurn['modelError'] = null;
  let retry: ObservedTurn['retry'] = null;

  function seeText(message: SDKMessage): void {
    if (message.type === 'stream_event' && retry) {
      retry = null;
      options.progress({ type: 'status', status: 'running' });
    }
    const piece = said.see(message);
    if (piece !== '') options.progress({ type: 'text', text: piece });
  }

  function seeTools(content: unknown, parent: string | null, toolUseResult?: unknown): void {
    if (!Array.isArray(content)) return;
    for (const block of content as Block[]) {
      if (block.type === 'tool_use' && block.id && block.name) {
        const own = summarizeTool(block.name, block.input, options.workspace);
        const summary = parent === null ? own : `↳ ${own}`;
        open.set(block.id, { name: block.name, summary });
        const call = { type: 'tool', id: block.id, name: block.name, summary } as const;
        options.progress({ ...call, state: 'started', input: toolInput(block.input) });
      } else if (block.type === 'tool_result' && block.tool_use_id) {
        const diff = toolDiff(toolUseResult);
        finish(block.tool_use_id, block.is_error === true ? 'failed' : 'done', {
          result: toolResult(block.content),
          ...(diff === undefined ? {} : { diff }),
        });
      }
    }
  }

  function finish(
    id: string,
    state: 'done' | 'failed',
    detail: { readonly result?: string; readonly diff?: string } = {},
  ): void {
    const tool = open.get(id);
    if (!tool) return;
    open.delete(id);
    options.progress({ type: 'tool', id, ...tool, state, ...detail });
  }

  return {
    see(message) {
      seeText(message);
      if (isFromModel(message)) answers += 1;
      if (message.type === 'assistant') {
        const content = message.message.content as unknown;
        if (!message.error && message.parent_tool_use_id === null)
          contextTokens = contextOf(message.message.usage);
        if (message.error) modelError = { kind: message.error, text: textOf(content) };
        else seeTools(content, message.parent_tool_use_id);
      } else if (message.type === 'user') {
        seeTools(message.message.content, message.parent_tool_use_id, message.tool_use_result);
      } else if (message.type === 'system' && message.subtype === 'api_retry') {
        retry = { status: message.error_status };
        options.progress({ type: 'status', status: 'retrying' });
      } else if (message.type === 'result') {
        result = message;
      }
    },
    goesOn: (call) => seeTools([{ type: 'tool_use', ...call }], null),
    seen: () => ({
      result,
      text: said.all(),
      answer: said.answer(),
      answers,
      contextTokens,
      modelError,
      retry,
    }),
    again() {
      result = null;
      modelError = null;
      retry = null;
    },
    close() {
      for (const id of [...open.keys()]) finish(id, 'failed');
    },
  };
}

function contextOf(usage: {
  readonly input_tokens?: number | null;
  readonly output_tokens?: number | null;
  readonly cache_read_input_tokens?: number | null;
  readonly cache_creation_input_tokens?: number | null;
}): number {
  const { input_tokens: fresh, output_tokens: answer } = usage;
  const { cache_read_input_tokens: read, cache_creation_input_tokens: written } = usage;
  return (fresh ?? 0) + (answer ?? 0) + (read ?? 0) + (written ?? 0);
}

function textOf(content: unknown): string {
  if (!Array.isArray(content)) return '';
  return (content as Block[]).map((block) => (block.type === 'text' ? (block.text ?? '') : '')).join('');
}
