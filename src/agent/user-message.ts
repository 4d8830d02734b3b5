// A prompt as the Agent SDK takes it.
import type { SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';
import type { Prompt } from './continuation.ts';

function textBlock(text: string) {
  return { type: 'text' as const, text };
}

/** `order`: a command to the CLI. Any other "/clear" from a chat is text for the agent. */
export function userMessage({ text, uuid, context }: Prompt, order = false): SDKUserMessage {
  return {
    type: 'user',
    message: {
      role: 'user',
      content: context === undefined ? text : [textBlock(context), textBlock(text)],
    },
    parent_tool_use_id: null,
    ...(uuid === undefined ? {} : { uuid }),
    ...(text.trimStart().startsWith('/') && !order ? { client_composed: true } : {}),
  };
}
