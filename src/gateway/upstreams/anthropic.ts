// The Messages API as Anthropic serves it, and as everybody does who offers the same.
import type { AnthropicUpstream, Route, Upstream } from '../model-upstream.ts';

/** What a session needs of the API. The real key can do more; the turn's token cannot. */
const PATHS: readonly { readonly path: RegExp; readonly method: string; readonly kind: Route['kind'] }[] = [
  { path: /^\/v1\/messages\/?$/, method: 'POST', kind: 'message' },
  { path: /^\/v1\/messages\/count_tokens\/?$/, method: 'POST', kind: 'count' },
  { path: /^\/v1\/models(?:\/[\w.@:-]+)?\/?$/, method: 'GET', kind: 'list' },
];

const QUERY = new Set(['beta', 'limit', 'before_id', 'after_id']);

/** What the CLI and its client library say about a request. Nothing that names another account or workspace. */
export const FORWARDED =
  /^(?:accept|content-type|user-agent|x-app|x-stainless-[\w-]+|x-claude-[\w-]+|anthropic-version|anthropic-beta|anthropic-dangerous-direct-browser-access)$/;

export function createAnthropicUpstream(upstream: AnthropicUpstream): Upstream {
  return {
    ...messagesApi(upstream.baseUrl),
    isDemo: upstream.isDemo === true,
    async authorize() {
      return {
        ...(upstream.apiKey === undefined ? {} : { 'x-api-key': upstream.apiKey }),
        ...(upstream.authToken === undefined ? {} : { authorization: `Bearer ${upstream.authToken}` }),
      };
    },
  };
}

/** All but the right. */
export function messagesApi(baseUrl: string): Omit<Upstream, 'authorize' | 'isDemo'> {
  return {
    baseUrl: new URL(baseUrl),
    forwards: FORWARDED,
    route(method, url) {
      const known = PATHS.find(({ path }) => path.test(url.pathname));
      if (known?.method !== method) return null;
      const query = new URLSearchParams([...url.searchParams].filter(([name]) => QUERY.has(name))).toString();
      return { kind: known.kind, path: url.pathname + (query && `?${query}`) };
    },
    ask: (model) => ({
      path: '/v1/messages',
      body: { model, max_tokens: 1, messages: [{ role: 'user', content: 'Say yes.' }] },
    }),
  };
}
