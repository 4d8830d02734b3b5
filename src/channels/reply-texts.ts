// A reply as the messages that people read, for channels that take Markdown as it is.
import type { Reply } from '../core/records.ts';
import { splitMarkdown } from '../core/split-markdown.ts';

const DEMO_NOTE = '_(Written by the demo model.)_';

/** In order, each within the limit, none of them blank; always the same for the same reply. */
export function replyTexts(
  reply: Pick<Reply, 'text' | 'demo'>,
  maxLength: number,
): readonly [string, ...string[]] {
  const text = reply.demo ? `${reply.text.trimEnd()}\n\n${DEMO_NOTE}` : reply.text;
  const [first = '(no text)', ...more] = splitMarkdown(text.toWellFormed(), maxLength)
    .map((part) => part.text)
    .filter((part) => part.trim() !== '');
  return [first, ...more];
}
