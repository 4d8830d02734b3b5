// What a person may order in the chat, besides talking to the agent, and needs the session's files: ways on for a conversation
// that a model refuses, and the session as a file.

export type ChatCommand =
  /** `text` is for the CLI. */
  | { readonly kind: 'compact'; readonly text: string }
  | { readonly kind: 'drop' }
  | { readonly kind: 'export' }
  | { readonly kind: 'debug' };

/**
 * `/compact`, with words for the summary behind it or without, and `/drop`; in a group they may name the bot. Anything
 * else is text for the agent.
 */
export function chatCommandOf(text: string): ChatCommand | null {
  const [, name, rest = ''] =
    /^\/(compact|drop|export|debug)(?:@\w+)?(?:\s+([\s\S]*))?$/.exec(text.trim()) ?? [];
  if (name === 'compact') return { kind: 'compact', text: `/compact ${rest}`.trim() };
  if (rest !== '') return null;
  if (name === 'drop') return { kind: 'drop' };
  if (name === 'export') return { kind: 'export' };
  return name === 'debug' ? { kind: 'debug' } : null;
}
