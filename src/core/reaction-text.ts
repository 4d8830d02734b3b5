// A reaction as an input of its conversation: what an inlet writes, and what it is known by (see reactions.ts).
import type { TurnRequest } from './messages.ts';

/** Begins the text of such an input. No command that people can write has this name. */
const REACTION = 'reaction';

/** The text of the input by which somebody reacts to the message `ref` of their platform; without any: takes it back. */
export function reactionText(ref: string, reactions: readonly string[]): string {
  return `${REACTION} ${ref}\n${JSON.stringify(reactions)}`;
}

export function isReaction({ kind, text }: Pick<TurnRequest, 'kind' | 'text'>): boolean {
  return kind === 'command' && /^reaction \S+\n/.test(text);
}

/** What it is about, and what was given, as JSON. */
export function partsOfReaction({ text }: Pick<TurnRequest, 'text'>): readonly [ref: string, given: string] {
  const end = text.indexOf('\n');
  return [text.slice(REACTION.length + 1, end), text.slice(end + 1)];
}
