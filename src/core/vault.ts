// Whose credentials are meant, and what they may be called. A person is named as in settings: `CHANNEL/ID`.

import { createHash } from 'node:crypto';
import { cutText } from '../text/cut-text.ts';
import { Invalid } from './errors.ts';
import { MAX_ID_LENGTH, type Person } from './ids.ts';
import type { TurnRequest } from './messages.ts';
import type { ListedEntry, VaultEntry } from './ports/vault.ts';
import { principalName, speakerOf } from './principal.ts';

/** Parameter Store keeps no more than 8 KB. */
export const MAX_CREDENTIAL_BYTES = 8_000;

const PERSON = /^[a-z][a-z0-9-]{0,31}\//;
/** What owners may name. What signing in left has a `/`, so the two never meet. */
const OWN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$/;

export function isOwnName(name: string): boolean {
  return OWN_NAME.test(name);
}

function isPerson(text: string): text is Person {
  const id = text.slice(text.indexOf('/') + 1);
  return PERSON.test(text) && id.length > 0 && id.length <= MAX_ID_LENGTH && text.isWellFormed();
}

/** Throws `Invalid('bad-person')`. */
export function person(text: string): Person {
  if (isPerson(text)) return text;
  throw new Invalid('bad-person', `"${cutText(text, 80).toWellFormed()}" names no person.`, {
    advice: 'Write CHANNEL/ID.',
  });
}

/**
 * Who wrote this message. A message of the API names nobody: whoever sends it vouches for the chat, so each chat counts
 * as one person.
 */
export function personOf(request: Pick<TurnRequest, 'sender' | 'conversation'>): Person {
  const speaker = speakerOf(request);
  const { channel, chat } = request.conversation;
  const name = speaker.id === null ? `${channel}-chat/${chat}` : principalName(speaker);
  // A channel of somebody's own may be called anything.
  return isPerson(name) ? name : (`other/${createHash('sha256').update(name).digest('hex')}` as Person);
}

/** For adapters: what they need not check themselves. */
export function checkEntry({ person: whose, name }: VaultEntry): void {
  if (whose !== null) person(whose);
  if (NAME.test(name)) return;
  throw new Invalid('bad-credential-name', 'This is no name for a credential.', {
    advice: 'Use 1 to 64 letters, digits, ".", "_" and "-", beginning with a letter or digit.',
  });
}

export function checkValue(value: string): void {
  const fits = value.length > 0 && Buffer.byteLength(value) <= MAX_CREDENTIAL_BYTES && value.isWellFormed();
  if (fits) return;
  throw new Invalid(
    'bad-credential',
    `A credential has 1 to ${MAX_CREDENTIAL_BYTES} bytes of well-formed text.`,
  );
}

export function byPersonAndName(a: ListedEntry, b: ListedEntry): number {
  const [one, other] = [a, b].map(({ person: whose, name }) => `${whose ?? ''}\n${name}`) as [string, string];
  return one < other ? -1 : one > other ? 1 : 0;
}
