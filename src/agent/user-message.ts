// A prompt as the Agent SDK takes it.
import type { SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';
import type { Prompt } from './continuation.ts';

function textBlock(text: string) {
  return { type: 'text' as const, text };
}

/** `order`: a command to the CLI. Any other "/clear" from a chat is text for the agent. */
export function userMessage(prompt: Prompt, order = false): SDKUserMessage {
  const { text, uuid } = prompt;
  return {
    type: 'user',
    message: { role: 'user', content: contentOf(prompt) },
    parent_tool_use_id: null,
    ...(uuid === undefined ? {} : { uuid }),
    ...(text.trimStart().startsWith('/') && !order ? { client_composed: true } : {}),
  };
}

function contentOf({ text, context, files }: Prompt): SDKUserMessage['message']['content'] {
  if (context === undefined && files === undefined) return text;
  const images = files?.images ?? [];
  return [
    ...(context === undefined ? [] : [textBlock(context)]),
    ...(files === undefined ? [] : [textBlock(files.note)]),
    ...images.map(({ type, source }) => ({ type, source: { ...source } })),
    // A block without text is refused.
    ...(text.trim() === '' ? [] : [textBlock(text)]),
  ];
}
