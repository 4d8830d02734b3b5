// Writes a text into a message of ours: with formatting if Telegram takes it, letter by letter if it does not. The
// text is never dropped for its markup. Pictures in the Markdown become links: Telegram would fetch their address,
// and an address the model wrote can carry a secret out.
import { Invalid } from '../../core/errors.ts';
import type { TelegramApi } from './api.ts';
import type { Buttons } from './buttons.ts';

/** Returns how the text was shown. Throws `Invalid('refused-content')` when even the plain text was refused. */
export async function show(
  api: TelegramApi,
  chatId: number,
  messageId: number,
  text: string,
  prefer: 'rich' | 'plain' = 'rich',
  buttons?: Buttons,
): Promise<'rich' | 'plain'> {
  const markdown = text.toWellFormed();
  if (prefer === 'rich') {
    try {
      await api.edit(chatId, messageId, { markdown: withoutMedia(markdown) }, buttons);
      return 'rich';
    } catch (error) {
      if (!(error instanceof Invalid && error.code === 'refused-content')) throw error;
    }
  }
  await api.edit(chatId, messageId, { plain: markdown }, buttons);
  return 'plain';
}

const CODE =
  /(^[ \t>]*(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^[ \t>]*\2|(?![\s\S])))|(`+)[^`](?:(?!\n\s*\n)[\s\S])*?\3/gm;
const MEDIA = /!(?=\[)|<(?=(?:img|video|audio)\b)/gi;

/** Escapes what would load a picture or a film, outside code. */
export function withoutMedia(markdown: string): string {
  let out = '';
  let at = 0;
  for (const code of markdown.matchAll(CODE)) {
    out += escapeMedia(markdown.slice(at, code.index)) + code[0];
    at = code.index + code[0].length;
  }
  return out + escapeMedia(markdown.slice(at));
}

function escapeMedia(text: string): string {
  return text.replace(MEDIA, (mark) => `\\${mark}`);
}
