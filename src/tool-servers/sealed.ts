// What a server hands out to its client (an MCP session's id, the address to post to) reaches the agent sealed: good for the
// same speaker, chat and server only. An id that one person's turn left lying about is nothing in the next one's.
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface Seal {
  close(text: string): string;
  /** null: not sealed by this one. */
  open(sealed: string): string | null;
}

const TAG_BYTES = 16;

/** `parts`: whom and what it is good for. */
export function createSeal(secret: Uint8Array, parts: readonly string[]): Seal {
  const key = createHmac('sha256', secret).update(JSON.stringify(parts)).digest();
  const tagOf = (text: string): Buffer =>
    createHmac('sha256', key).update(text).digest().subarray(0, TAG_BYTES);
  return {
    close: (text) => `${Buffer.from(text).toString('base64url')}.${tagOf(text).toString('base64url')}`,
    open(sealed) {
      const [body = '', tag = '', ...rest] = sealed.split('.');
      if (rest.length > 0) return null;
      const text = Buffer.from(body, 'base64url').toString('utf8');
      const shown = Buffer.from(tag, 'base64url');
      const expected = tagOf(text);
      return shown.length === expected.length && timingSafeEqual(shown, expected) ? text : null;
    },
  };
}
