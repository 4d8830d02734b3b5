// A bot's token is `<bot id>:<secret>`. It is part of every request's path, so it is checked before it gets there,
// and taken out of every text that leaves this folder.
import { Invalid } from '../../core/errors.ts';

const SHAPE = /^(\d{1,20}):[A-Za-z0-9_-]{3,128}$/;

/** The bot's own user id, which every token begins with. Throws `Invalid('bad-token')`, never naming the token. */
export function botIdOf(token: string): string {
  const id = SHAPE.exec(token)?.[1];
  if (id) return id;
  throw new Invalid('bad-token', 'This is not a Telegram bot token.', {
    advice: 'Copy the token that @BotFather shows; it looks like 123456:ABC-DEF.',
  });
}

/** `text` without the token, whole or only its secret half. */
export function withoutToken(text: string, token: string): string {
  const secret = token.slice(token.indexOf(':') + 1);
  return text
    .replaceAll(token, '<token>')
    .replaceAll(encodeURIComponent(token), '<token>')
    .replaceAll(secret, '<token>');
}
