// Pages of other origins: the browser asks first (preflight), and shows a page only what the answer allows. Only listed
// origins are answered. Nothing rides on cookies here, so credentials are not allowed: a page sends its token itself.
import type { MiddlewareHandler } from 'hono';
import { isAllowedOrigin } from '../core/browser-access.ts';

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const REQUEST_HEADERS = 'authorization, content-type, idempotency-key, last-event-id, prefer';
const SHOWN_HEADERS = 'content-disposition, location, retry-after, www-authenticate';
const REMEMBERED_SEC = 600;

export function allowOrigins(origins: readonly string[]): MiddlewareHandler {
  return async (context, next) => {
    const origin = context.req.header('origin');
    const isAllowed = origin !== undefined && isAllowedOrigin(origins, origin);
    if (isAllowed && context.req.method === 'OPTIONS') {
      const headers = {
        'access-control-allow-methods': METHODS,
        'access-control-allow-headers': REQUEST_HEADERS,
        'access-control-max-age': String(REMEMBERED_SEC),
      };
      for (const [name, value] of Object.entries(headers)) context.header(name, value);
    } else await next();
    // A cache must not show one origin what was answered to another.
    if (origins.length > 0) context.header('vary', 'origin', { append: true });
    if (!isAllowed) return;
    context.header('access-control-allow-origin', origin);
    context.header('access-control-expose-headers', SHOWN_HEADERS);
    if (context.req.method === 'OPTIONS') return context.body(null, 204);
  };
}
