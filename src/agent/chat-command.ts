// What a person may order in the chat, besides talking to the agent: ways on for a conversation that a model refuses.

export type ChatCommand =
  /** `text` is for the CLI. */
  { readonly kind: 'compact'; readonly text: string } | { readonly kind: 'drop' };

/**
 * `/compact`, with words for the summary behind it or without, and `/drop`; in a group they may name the bot. Anything
 * else is text for the agent.
 */
export function chatCommandOf(text: string): ChatCommand | null {
  const [, name, rest = ''] = /^\/(compact|drop)(?:@\w+)?(?:\s+([\s\S]*))?$/.exec(text.trim()) ?? [];
  if (name === 'compact') return { kind: 'compact', text: `/compact ${rest}`.trim() };
  return name === 'drop' && rest === '' ? { kind: 'drop' } : null;
}
