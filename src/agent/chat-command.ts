// What a person may order in the chat, besides talking to the agent: ways on for a conversation that a model refuses.

export type ChatCommand = 'compact' | 'drop';

/** `/compact`, with words for the summary behind it or without, and `/drop`. Anything else is text for the agent. */
export function chatCommandOf(text: string): ChatCommand | null {
  const [, name] = /^\s*\/(compact|drop)(?:\s|$)/.exec(text) ?? [];
  if (name === 'drop') return text.trim() === '/drop' ? 'drop' : null;
  return name === 'compact' ? 'compact' : null;
}
