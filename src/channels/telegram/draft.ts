// The draft that a private chat shows while a turn runs: with markup if Telegram takes it, else letter by letter
// (https://core.telegram.org/bots/api#sendrichmessagedraft, read 2026-11).
import { Invalid } from '../../core/errors.ts';
import { THINKING } from '../../core/progress-text.ts';
import type { Destination, TelegramApi } from './api.ts';
import { withoutMedia } from './show.ts';

/** Telegram has its own "Thinking…" for a draft without text. Throws `Invalid` where no draft is taken in any form. */
export async function showDraft(
  api: TelegramApi,
  to: Destination,
  draftId: number,
  text: string,
): Promise<void> {
  if (text === THINKING) return await api.draft(to, draftId, { plain: '' });
  const markdown = text.toWellFormed();
  try {
    await api.draft(to, draftId, { markdown: withoutMedia(markdown) });
  } catch (error) {
    if (!(error instanceof Invalid && error.code === 'refused-content')) throw error;
    await api.draft(to, draftId, { plain: markdown });
  }
}
