// A text as the content of a Slack message: as Markdown in a block of that kind, or letter by letter where Slack takes it in
// no other way. Slack shows no picture out of a Markdown block, so an address the model wrote is fetched by nobody.
import { boundaryBefore, cutText } from '../../text/cut-text.ts';
import type { MessageContent } from './api.ts';
import { callsNobody, escapeText } from './message-text.ts';

const MAX_SECTION = 3_000;
/** Shown in notifications only; an edit takes at most 4,000. */
const MAX_NOTIFICATION = 500;

export function markdownContent(markdown: string): MessageContent {
  const text = callsNobody(markdown);
  return { text: notificationOf(markdown), blocks: [{ type: 'markdown', text }] };
}

export function plainContent(text: string): MessageContent {
  const sections = sectionsOf(text).map((piece) => ({
    type: 'section',
    text: { type: 'plain_text', text: piece, emoji: false },
  }));
  return { text: notificationOf(text), blocks: sections };
}

function notificationOf(text: string): string {
  return escapeText(cutText(text, MAX_NOTIFICATION, '…'));
}

/** None is blank: Slack refuses such a section. */
function sectionsOf(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = Math.min(text.length, at + MAX_SECTION);
    const cut = boundaryBefore(text, end);
    const next = cut > at ? cut : end;
    pieces.push(text.slice(at, next));
    at = next;
  }
  return pieces.filter((piece) => piece.trim() !== '');
}
