// How Tencent's platforms call back: SHA-1 over the sorted parts, an address of this minute, and AES-256-CBC with the
// receiver's id inside. The cipher is `@wecom/crypto`'s; it checks neither who signed nor for whom a message is, so that
// is done here.
import { createHash, timingSafeEqual } from 'node:crypto';
import { decrypt, encrypt, getSignature } from '@wecom/crypto';
import { Invalid } from '../../core/errors.ts';

export interface CallbackKeys {
  readonly token: string;
  /** 43 characters, as the platform's page shows them. */
  readonly aesKey: string;
  /** Whom messages are for: the app's id, or '' where the platform names none. */
  readonly receiver: string;
}

/** Older ones are refused: what was caught on the way is of no use later. A repeat within it has its message's id. */
const MAX_AGE_MS = 5 * 60_000;

/** Constant time in what is expected. `encrypted` is left out where only the address is signed. */
export function isSigned(
  token: string,
  given: {
    readonly signature: string | null;
    readonly timestamp: string | null;
    readonly nonce: string | null;
  },
  encrypted = '',
): boolean {
  const { signature, timestamp, nonce } = given;
  if (!signature || !timestamp || !nonce || token === '') return false;
  return timingSafeEqual(digest(signature), digest(getSignature(token, timestamp, nonce, encrypted)));
}

/** `timestamp`: epoch seconds, as the caller wrote them. */
export function isFresh(timestamp: string | null, nowMs: number): boolean {
  return /^\d{1,12}$/.test(timestamp ?? '') && Math.abs(nowMs - Number(timestamp) * 1_000) <= MAX_AGE_MS;
}

/** Throws `Invalid('bad-cipher')` for what is no message, or one for somebody else. */
export function decryptCallback({ aesKey, receiver }: CallbackKeys, encrypted: string): string {
  let opened: ReturnType<typeof decrypt>;
  try {
    opened = decrypt(aesKey, encrypted);
  } catch (cause) {
    throw new Invalid('bad-cipher', 'This callback cannot be decrypted.', { cause });
  }
  if (opened.id !== receiver) throw new Invalid('bad-cipher', 'This callback is for another receiver.');
  return opened.message;
}

export interface EncryptedAnswer {
  readonly encrypted: string;
  readonly signature: string;
  readonly timestamp: string;
  readonly nonce: string;
}

export function encryptAnswer(
  { token, aesKey, receiver }: CallbackKeys,
  message: string,
  { nowMs, nonce }: { readonly nowMs: number; readonly nonce: string },
): EncryptedAnswer {
  const encrypted = encrypt(aesKey, message, receiver);
  const timestamp = String(Math.floor(nowMs / 1_000));
  return { encrypted, timestamp, nonce, signature: getSignature(token, timestamp, nonce, encrypted) };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
