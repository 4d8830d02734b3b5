// Reads the text of a Slack message as people see it: Slack writes people, channels and links in angle brackets and three
// characters as entities (https://docs.slack.dev/messaging/formatting-message-text, read 2026-11). Addresses behind words
// go beside the text. And the way back: what goes into a text field of ours, so that it means nothing but itself.
import type { MessageContext } from '../../core/message-context.ts';

type Links = NonNullable<MessageContext['links']>;

const MAX_LINKS = 100;
const MAX_URL = 2_048;
const BRACKETS = /<([^<>\n]{1,8192})>/g;

export interface ReadText {
  readonly text: string;
  readonly links: Links;
  readonly mentionsBot: boolean;
}

/** The app's own name is left out where the message begins with it. */
export function readText(raw: string, botUserId: string): ReadText {
  const links: { text: string; url: string }[] = [];
  const mention = `<@${botUserId}`;
  const mentionsBot = raw.includes(`${mention}>`) || raw.includes(`${mention}|`);
  const begins = new RegExp(`^\\s*<@${botUserId}(?:\\|[^<>]*)?>[\\s,:]*`);
  const shown = raw.replace(begins, '').replace(BRACKETS, (_, inside: string) => {
    const at = inside.indexOf('|');
    const [target, label] = at < 0 ? [inside, ''] : [inside.slice(0, at), inside.slice(at + 1)];
    // People keep their id beside the name: so the agent can write to them in turn.
    if (target.startsWith('@')) return label === '' ? `<${target}>` : `@${label} (<${target}>)`;
    if (target.startsWith('#')) return label === '' ? `<${target}>` : `#${label}`;
    if (target.startsWith('!')) return label === '' ? `@${target.slice(1)}` : label;
    const url = withoutEntities(target);
    if (label === '' || url.endsWith(withoutEntities(label))) return url;
    if (url.length <= MAX_URL && links.length < MAX_LINKS) links.push({ text: withoutEntities(label), url });
    return label;
  });
  return { text: withoutEntities(shown).trim(), links, mentionsBot };
}

/** For a `text` field: no mention, no link, no formatting of Slack's own can come out of it. */
export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const CALLS_EVERYBODY = /<(?=!(?:channel|here|everyone|subteam\b))/gi;

/**
 * Keeps words of the model from calling a whole channel: an invisible space takes the meaning away, in code as well, since
 * Slack looks for these before it looks for code.
 */
export function callsNobody(markdown: string): string {
  return markdown.replace(CALLS_EVERYBODY, '<\u200b');
}

function withoutEntities(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
