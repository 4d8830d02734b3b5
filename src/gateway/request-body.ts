// What a request asks for, read from its body. The body that goes on is written anew from what was read: a field named
// twice, or in a spelling that some servers take for the same, could otherwise mean one thing here and another there.
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
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return { wrong: 'The body is not JSON.' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { wrong: 'The body is not a JSON object.' };
  }
  for (const name of Object.keys(value)) {
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
    body: Buffer.from(JSON.stringify(value)),
  };
}
