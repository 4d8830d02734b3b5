// What Telegram accepts as a message's text, plain or rich, as documented for Bot API 10.3. Stricter than the real
// one in one place: unbalanced code fences in rich Markdown are refused, so that a torn reply is noticed.
import { badRequest } from './bot-api-error.ts';
import type { FakeButton, FakeMessage } from './fake-chat.ts';

const MAX_TEXT = 4_096;
const MAX_RICH = 32_768;
const MAX_BLOCKS = 500;
const MAX_COLUMNS = 20;
const MAX_CALLBACK_BYTES = 64;

/** The text as stored: trimmed, as Telegram does. Throws the documented 400s. */
export function acceptPlain(value: unknown): string {
  if (typeof value !== 'string') throw badRequest('message text is empty');
  if (!value.isWellFormed()) throw badRequest('strings must be encoded in UTF-8');
  const text = value.trim();
  if (text === '') throw badRequest('message text is empty');
  if (text.length > MAX_TEXT) throw badRequest('message is too long');
  return text;
}

/** As a message's text, but it may be empty. */
export function acceptDraft(value: unknown): string {
  return value === undefined || value === '' ? '' : acceptPlain(value);
}

/** The Markdown of an `InputRichMessage`; only its `markdown` form is known here. */
export function acceptRich(value: unknown): string {
  const rich = typeof value === 'string' ? (JSON.parse(value) as unknown) : value;
  const markdown = (rich as { markdown?: unknown } | null)?.markdown;
  if (typeof markdown !== 'string') throw badRequest("can't parse rich message: markdown is expected");
  if (!markdown.isWellFormed()) throw badRequest('strings must be encoded in UTF-8');
  const text = markdown.trim();
  if (text === '') throw badRequest('message text is empty');
  if ([...text].length > MAX_RICH) throw badRequest('message is too long');
  checkBlocks(text);
  return text;
}

/** The inline keyboard of a call; none where it has none. */
export function acceptButtons(payload: Readonly<Record<string, unknown>>): FakeMessage['buttons'] {
  const { reply_markup: given } = payload;
  if (given === undefined) return [];
  const markup = typeof given === 'string' ? (JSON.parse(given) as unknown) : given;
  const rows = (markup as { inline_keyboard?: unknown }).inline_keyboard;
  if (!Array.isArray(rows)) throw badRequest('object expected as reply markup');
  for (const button of rows.flat() as Partial<FakeButton>[]) {
    if (!button.text?.trim()) throw badRequest('Text buttons are unallowed in the inline keyboard');
    const bytes = Buffer.byteLength(button.callback_data ?? '');
    if (bytes < 1 || bytes > MAX_CALLBACK_BYTES) throw badRequest('BUTTON_DATA_INVALID');
  }
  return rows as FakeMessage['buttons'];
}

function checkBlocks(markdown: string): void {
  let fence = '';
  let blocks = 0;
  let afterBlank = true;
  for (const line of markdown.split('\n')) {
    const bare = line.replace(/^[\s>]*(?:(?:[-*+]|\d{1,9}[.)])\s+)*/, '');
    const marker = /^(?:`{3,}|~{3,})/.exec(bare)?.[0];
    if (fence) {
      if (marker?.startsWith(fence) && bare.slice(marker.length).trim() === '') fence = '';
      continue;
    }
    if (marker && !(marker.startsWith('`') && bare.slice(marker.length).includes('`'))) {
      fence = marker;
      blocks++;
      continue;
    }
    const isItem = /^\s*(?:[-*+]|\d{1,9}[.)])\s/.test(line);
    const isRow = line.trimStart().startsWith('|');
    if (isItem || isRow || (afterBlank && line.trim() !== '')) blocks++;
    if (isRow && line.replaceAll('\\|', '').split('|').length - 2 > MAX_COLUMNS) {
      throw badRequest("can't parse rich message: too many columns");
    }
    afterBlank = line.trim() === '';
  }
  if (fence) throw badRequest("can't parse rich message: code block isn't closed");
  if (blocks > MAX_BLOCKS) throw badRequest("can't parse rich message: too many blocks");
}
