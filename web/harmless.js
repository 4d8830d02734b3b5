// The page's half of one rule, as the server's `src/text/harmless.ts` has it (a test holds them together): what was
// typed becomes a title without control characters and without direction overrides.
const UNSAFE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** @param {string} text */
export function harmless(text) {
  return text.replace(UNSAFE, '');
}
