// What Slack takes as the content of a message, and what people see of it. Limits as documented
// (https://docs.slack.dev/reference/block-kit/blocks, https://docs.slack.dev/reference/methods/chat.update, read 2026-11).
import { SlackRefusal } from './slack-refusal.ts';

export interface FakeButton {
  readonly text: string;
  readonly actionId: string;
  readonly value: string;
}

export interface FakeBlock extends Readonly<Record<string, unknown>> {
  readonly type: string;
}

const MAX_BLOCKS = 50;
const MAX_MARKDOWN = 12_000;
const MAX_SECTION = 3_000;
const MAX_ACTIONS = 25;
const MAX_BUTTON_TEXT = 75;
const MAX_BUTTON_VALUE = 2_000;
const MAX_ID = 255;
/** A new message is cut beyond that, an edit is refused beyond 4,000. */
const MAX_NEW_TEXT = 40_000;
const MAX_EDIT_TEXT = 4_000;

/** undefined where the call has no blocks. */
export function acceptBlocks(given: unknown): readonly FakeBlock[] | undefined {
  if (given === undefined || given === '') return undefined;
  const blocks = typeof given === 'string' ? parsed(given) : given;
  if (!Array.isArray(blocks)) throw new SlackRefusal('invalid_blocks_format');
  if (blocks.length > MAX_BLOCKS) throw new SlackRefusal('invalid_blocks');
  let markdown = 0;
  for (const block of blocks as FakeBlock[]) {
    switch (block.type) {
      case 'markdown': {
        const text = textIn(block.text, Number.POSITIVE_INFINITY);
        markdown += text.length;
        // Slack's own words for what it does not take; tests write it.
        if (text.includes('UNPARSABLE')) throw new SlackRefusal('invalid_blocks');
        break;
      }
      case 'section':
        textIn((block.text as { text?: unknown } | undefined)?.text, MAX_SECTION);
        break;
      case 'actions':
        checkActions(block.elements);
        break;
      case 'context':
      case 'divider':
        break;
      default:
        throw new SlackRefusal('invalid_blocks');
    }
  }
  if (markdown > MAX_MARKDOWN) throw new SlackRefusal('msg_blocks_too_long');
  return blocks as FakeBlock[];
}

function checkActions(elements: unknown): void {
  if (!Array.isArray(elements) || elements.length === 0 || elements.length > MAX_ACTIONS) {
    throw new SlackRefusal('invalid_blocks');
  }
  const ids = new Set<unknown>();
  for (const button of elements as Record<string, unknown>[]) {
    if (button.type !== 'button') throw new SlackRefusal('invalid_blocks');
    textIn((button.text as { text?: unknown } | undefined)?.text, MAX_BUTTON_TEXT);
    if (String(button.value ?? '').length > MAX_BUTTON_VALUE) throw new SlackRefusal('invalid_blocks');
    if (String(button.action_id ?? '').length > MAX_ID) throw new SlackRefusal('invalid_blocks');
    ids.add(button.action_id);
  }
  if (ids.size !== elements.length) throw new SlackRefusal('invalid_blocks');
}

function textIn(text: unknown, max: number): string {
  if (typeof text !== 'string' || text.trim() === '' || text.length > max || !text.isWellFormed()) {
    throw new SlackRefusal('invalid_blocks');
  }
  return text;
}

export function acceptText(given: unknown, isEdit: boolean): string {
  const text = given === undefined ? '' : String(given);
  if (isEdit && text.length > MAX_EDIT_TEXT) throw new SlackRefusal('msg_too_long');
  return text.slice(0, MAX_NEW_TEXT);
}

/** What people read. */
export function shownText(text: string, blocks: readonly FakeBlock[]): string {
  if (blocks.length === 0) {
    return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  }
  return blocks
    .flatMap((block) => {
      if (block.type === 'markdown') return [String(block.text)];
      if (block.type === 'section') return [String((block.text as { text: string }).text)];
      return [];
    })
    .join('');
}

export function buttonsIn(blocks: readonly FakeBlock[]): readonly FakeButton[] {
  return blocks
    .filter(({ type }) => type === 'actions')
    .flatMap(({ elements }) => elements as { text: { text: string }; action_id: string; value: string }[])
    .map(({ text, action_id: actionId, value }) => ({ text: text.text, actionId, value }));
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new SlackRefusal('invalid_blocks_format');
  }
}
