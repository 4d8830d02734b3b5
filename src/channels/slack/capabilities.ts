// What Slack can do, as data: the descriptor tells it without loading the channel.
import type { ChannelCapabilities } from '../../core/ports.ts';

/** Of all Markdown blocks of one message together (https://docs.slack.dev/reference/block-kit/blocks/markdown-block). */
export const MAX_MESSAGE_LENGTH = 12_000;

export const SLACK_CAPABILITIES: ChannelCapabilities = {
  edit: true,
  markdown: true,
  maxTextLength: MAX_MESSAGE_LENGTH,
  buttons: true,
  files: true,
};
