// Text from elsewhere (a person, a model, a tool, a file name) on its way to a terminal, a log or a title. Promises:
// no control character that could move a cursor or change a setting, no direction override or isolate that could show
// text in another order than it stands, no half of a surrogate pair. Tabs and line feeds stay; so do the marks that
// right-to-left writing needs (U+200E, U+200F, U+061C).

/** C0 but tab and line feed, DEL and C1; embeddings, overrides and isolates (Unicode bidirectional algorithm, 2.1-2.3). */
const UNSAFE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

export function harmless(text: string): string {
  return text.toWellFormed().replace(UNSAFE, '');
}

/** JSON text with the same characters written as escapes: nothing is lost, nothing acts. */
export function harmlessJson(json: string): string {
  return json.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * For text that arrives in pieces: hands on what is whole, and keeps the first half of a surrogate pair until the
 * piece with the second half comes.
 */
export function createPieceJoiner(): { join(piece: string): string } {
  let half = '';
  return {
    join(piece) {
      const text = half + piece;
      half = /[\ud800-\udbff]$/.exec(text)?.[0] ?? '';
      return half === '' ? text : text.slice(0, -1);
    },
  };
}
