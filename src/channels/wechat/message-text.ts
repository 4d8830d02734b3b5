// A reply as WeChat messages: plain text of at most 2,048 bytes each. WeChat shows no Markdown, so it stays as it is written.
// It does make links of `<a ...>`, some of which write in the person's name when they are touched: those are made inert.

import type { TurnId } from '../../core/ids.ts';
import type { Reply } from '../../core/records.ts';
import { supportId } from '../../core/replies.ts';
import { splitMarkdown, type TextPart } from '../../core/split-markdown.ts';
import { filesInWords, sentAsMedia } from './media.ts';

export const MAX_MESSAGE_BYTES = 2_048;
export const MORE_FOLLOWS = '\n\n… Send me any message, and I go on. 还有内容，回复任意消息继续。';
export const SENT_AGAIN = '(Sent again: WeChat did not confirm it. 重发)\n';

const TEXT_BYTES = MAX_MESSAGE_BYTES - Buffer.byteLength(MORE_FOLLOWS) - Buffer.byteLength(SENT_AGAIN);
/** UTF-16 units of one message, by how many bytes they take: three at most. */
const LIMITS = [1, 1.2, 1.4, 1.6, 2, 2.5, 3].map((bytes) => Math.floor(TEXT_BYTES / bytes));
/** Of letters that take one byte. */
export const MAX_TEXT_LENGTH = TEXT_BYTES;
const DEMO_NOTE = '(Written by the demo model.)';
const ACTING = /<(?=\s*\/?\s*a\b)/gi;

/** What the person reads; '' for a reply that says nothing, or nothing but files. */
export function textOf(reply: Reply): string {
  if (reply.quiet) return '';
  const isSilent = reply.text.trim() === '';
  const said = isSilent && sentAsMedia(reply.files).length === 0 ? '(no text)' : reply.text.trimEnd();
  const parts = [said, filesInWords(reply.files), reply.demo ? DEMO_NOTE : ''];
  const text = parts.filter((part) => part !== '').join('\n\n');
  return text.toWellFormed().replace(ACTING, '<\u200b');
}

/** Pure: the same text always gives the same parts. No blank ones, which WeChat refuses. */
export function messagesOf(text: string): readonly TextPart[] {
  for (const limit of LIMITS) {
    const parts = splitMarkdown(text, limit).filter((part) => part.text.trim() !== '');
    if (parts.every((part) => Buffer.byteLength(part.text) <= TEXT_BYTES)) return parts;
  }
  return [];
}

/** In place of a file that is not sent. */
export const fileText = {
  refused: (name: string) => `📎 ${name}: WeChat refuses this file. It is kept with the chat. 文件发送失败。`,
  lost: (name: string) => `📎 ${name}: this file is not kept any more. Ask me for it again. 文件已过期。`,
  unknown: (name: string) =>
    `📎 ${name}: I have sent this file, but WeChat did not confirm it. If it is not there, ask me for it again. 文件可能未送达。`,
};

export function refusedText(turnId: TurnId): string {
  return `My answer is ready, but WeChat refuses to show this part of it. It is kept, and the operator can read it. Ask me to put it differently. (Support id: ${supportId(turnId)})`;
}
