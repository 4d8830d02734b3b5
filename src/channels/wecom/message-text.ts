// A reply as WeCom messages: Markdown of at most 20,480 bytes each, of which one may be sent for each message of a person.
import type { Reply } from '../../core/records.ts';
import { splitMarkdown, type TextPart } from '../../core/split-markdown.ts';

const MAX_MESSAGE_BYTES = 20_480;
export const MORE_FOLLOWS = '\n\n… Send me any message, and I go on. 还有内容，回复任意消息继续。';
const TEXT_BYTES = MAX_MESSAGE_BYTES - Buffer.byteLength(MORE_FOLLOWS);
/** UTF-16 units of one message, by how many bytes they take: three at most. */
const LIMITS = [1, 1.4, 2, 2.5, 3].map((bytes) => Math.floor(TEXT_BYTES / bytes));
/** Of letters that take one byte. */
export const MAX_TEXT_LENGTH = TEXT_BYTES;
const DEMO_NOTE = '_(Written by the demo model.)_';
const MEDIA = /!(?=\[)/g;

/** What the person reads; '' for a reply that says nothing. Pictures become links: an address that a model wrote is not fetched. */
export function textOf(reply: Reply): string {
  if (reply.quiet) return '';
  const said = reply.text.trim() === '' ? '(no text)' : reply.text;
  const text = reply.demo ? `${said.trimEnd()}\n\n${DEMO_NOTE}` : said;
  return text.toWellFormed().replace(MEDIA, '');
}

/** Pure: the same text always gives the same parts, none of them blank. */
export function messagesOf(text: string): readonly TextPart[] {
  for (const limit of LIMITS) {
    const parts = splitMarkdown(text, limit).filter((part) => part.text.trim() !== '');
    if (parts.every((part) => Buffer.byteLength(part.text) <= TEXT_BYTES)) return parts;
  }
  return [];
}
