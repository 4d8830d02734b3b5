// What a request asks for, read from its body. The body goes on byte for byte, so it must mean the same to every reader:
// a field named twice, or in a spelling that some servers take for the same, is refused.
import { isUtf8 } from 'node:buffer';
import type { Route } from './model-upstream.ts';

export interface Asked {
  readonly model: string | null;
  /** The most tokens that the answer may have; null where the request does not say. */
  readonly maxTokens: number | null;
  readonly body: Buffer;
}

/** Fields that a limit rests on, as the API spells them. */
const JUDGED = ['model', 'max_tokens', 'stream', 'speed', 'service_tier', 'inference_geo'];

/** A sentence for the agent when the body is none that can be judged. */
export function readRequestBody(route: Route, body: Buffer): Asked | { readonly wrong: string } {
  if (route.kind === 'list') {
    return body.length === 0
      ? { model: null, maxTokens: null, body }
      : { wrong: 'This request has no body.' };
  }
  if (!isUtf8(body)) return { wrong: 'The body is not UTF-8.' };
  const text = body.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { wrong: 'The body is not JSON.' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { wrong: 'The body is not a JSON object.' };
  }
  const names = Object.keys(value);
  if (countFields(text) !== names.length) return { wrong: 'The body names a field twice.' };
  for (const name of names) {
    const plain = name.normalize('NFKC').toLowerCase();
    if (JUDGED.includes(plain) && name !== plain)
      return { wrong: `Unknown field "${plain}" in this spelling.` };
  }
  const { model: named, max_tokens: maxTokens } = value as { model?: unknown; max_tokens?: unknown };
  const model = route.model ?? named;
  if (typeof model !== 'string' || (route.model !== undefined && named !== undefined)) {
    return { wrong: 'The request must name its model once.' };
  }
  return {
    model,
    maxTokens: typeof maxTokens === 'number' && maxTokens > 0 ? maxTokens : null,
    body,
  };
}

const QUOTE = 34;
const BACKSLASH = 92;

/** Fields of the outermost object of a valid JSON text, each as often as it is named. */
function countFields(text: string): number {
  let fields = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case 58: // :
        if (depth === 1) fields += 1;
        break;
      case 91: // [
      case 123: // {
        depth += 1;
        break;
      case 93: // ]
      case 125: // }
        depth -= 1;
        break;
    }
  }
  return fields;
}

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
}
