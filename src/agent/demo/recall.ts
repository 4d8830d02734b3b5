// What the demo model remembers: nothing but the conversation it is sent.

import { oneLine } from '../../text/cut-text.ts';
import { isPrompt, type ModelMessage } from '../model-messages.ts';
import { intentOf } from './intent.ts';

const LAST_SHOWN = 5;

export function recall(earlier: readonly ModelMessage[]): string {
  const prompts = earlier.filter(isPrompt).map((message) => message.text);
  if (prompts.length === 0) return 'Nothing yet: this is the first message of our chat that I can see.';
  const kept = prompts.flatMap((prompt) => {
    const intent = intentOf(prompt);
    return intent.kind === 'remember' ? [intent.text] : [];
  });
  const parts: string[] = [];
  if (kept.length > 0) parts.push(`You asked me to remember:\n\n${listOf(kept)}`);
  const last = prompts.slice(-LAST_SHOWN);
  const all = prompts.length === last.length ? 'You said' : `Of ${prompts.length} messages, you said last`;
  parts.push(`${all}:\n\n${listOf(last)}`);
  return parts.join('\n\n');
}

function listOf(texts: readonly string[]): string {
  return texts.map((text) => `- ${oneLine(text, 200)}`).join('\n');
}
