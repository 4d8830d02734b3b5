// Asks the model's server whether it takes the credentials: for the list of models or, where a server has none, for a
// count of tokens. Neither costs anything.
import type { ModelEndpoint } from './environment.ts';

export type ModelAccess =
  | { readonly kind: 'accepted' }
  /** The server answers, and wants other credentials. */
  | { readonly kind: 'refused'; readonly status: number }
  /** The server answers, but nothing that tells. */
  | { readonly kind: 'unknown'; readonly status: number }
  | { readonly kind: 'unreachable'; readonly reason: string };

const WAIT_MS = 10_000;
const VERSION = '2023-06-01';

export async function checkModelAccess(
  model: ModelEndpoint & { readonly baseUrl: string },
): Promise<ModelAccess> {
  const headers = {
    'anthropic-version': VERSION,
    'content-type': 'application/json',
    ...(model.apiKey === undefined ? {} : { 'x-api-key': model.apiKey }),
    ...(model.authToken === undefined ? {} : { authorization: `Bearer ${model.authToken}` }),
  };
  const ask = async (path: string, body?: object): Promise<number> => {
    const response = await fetch(`${model.baseUrl.replace(/\/+$/, '')}${path}`, {
      headers,
      method: body ? 'POST' : 'GET',
      ...(body ? { body: JSON.stringify(body) } : {}),
      redirect: 'manual',
      signal: AbortSignal.timeout(WAIT_MS),
    });
    await response.body?.cancel();
    return response.status;
  };
  try {
    const listed = await ask('/v1/models?limit=1');
    if (isTelling(listed)) return accessOf(listed);
    const messages = [{ role: 'user', content: 'Hello' }];
    return accessOf(
      await ask('/v1/messages/count_tokens', { model: model.model ?? 'claude-sonnet-4-5', messages }),
    );
  } catch (error) {
    const { cause, message } = error as Error & { readonly cause?: { readonly code?: string } };
    return { kind: 'unreachable', reason: cause?.code ?? message };
  }
}

const isTelling = (status: number): boolean => accessOf(status).kind !== 'unknown';

function accessOf(status: number): ModelAccess {
  if (status === 401 || status === 403) return { kind: 'refused', status };
  return status >= 200 && status < 300 ? { kind: 'accepted' } : { kind: 'unknown', status };
}
