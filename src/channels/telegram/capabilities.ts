// What Telegram can do, as data: the descriptor tells it without loading the channel.
import type { ChannelCapabilities } from '../../core/ports.ts';

/** Longest text of one message, UTF-16 units; formatted ones may be longer, but then have no plain fallback. */
export const MAX_MESSAGE_LENGTH = 4_096;

export const TELEGRAM_CAPABILITIES: ChannelCapabilities = {
  edit: true,
  markdown: true,
  maxTextLength: MAX_MESSAGE_LENGTH,
  buttons: true,
  files: true,
};
