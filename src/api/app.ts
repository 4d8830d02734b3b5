// The HTTP API as one hono app over the ports. Each module returns its routes as data, so that the app, its 405
// answers and the check against `openapi.json` all use the same list. Nothing here needs a local machine.
import { type Context, Hono } from 'hono';
import { forTenant } from '../core/tenant-bound.ts';
import type { Outage } from '../core/waiting.ts';
import { chatRoutes } from './chats.ts';
import { allowOrigins } from './cors.ts';
import { type ApiDeps, OWN, type Owner, type Route } from './deps.ts';
import { fileRoutes } from './files.ts';
import {
  type ApiKeys,
  type Caller,
  checkBearer,
  checkBrowser,
  checkHead,
  checkJson,
  takeOwner,
} from './guard.ts';
import { messageRoutes } from './messages.ts';
import { answerError, problemResponse, refuse } from './problems.ts';
import { questionRoutes } from './questions.ts';
import { scheduleRoutes } from './schedules.ts';
import { requireScope, scopeOf } from './scopes.ts';
import { triggerRoutes } from './triggers.ts';
import { turnRoutes } from './turns.ts';
import { webhookRoutes } from './webhooks.ts';
import { workspaceRoutes } from './workspace.ts';

export interface AppOptions extends ApiDeps {
  /** Keys of which one must be sent; none means no check (loopback only). */
  readonly apiKeys: ApiKeys;
  /** Pages of these origins may call (src/core/browser-access.ts). */
  readonly origins?: readonly string[];
  /** Keys of tenants and tokens of people: each opens its own chats. */
  readonly ownerOf?: (key: string) => Promise<Owner | null>;
  /** Whoever calls has said whose request it is, in `owner` of the call; keys and tokens are not looked at. */
  readonly vouched?: boolean;
  /** Names that are accepted as `Host`, in addition to the loopback names; null accepts any. */
  readonly knownHosts: readonly string[] | null;
  /** What turns wait for right now; left out where nobody can tell. */
  readonly waiting?: () => readonly Outage[];
  /** The document served at /openapi.json. */
  readonly openapi: object;
  /** The chat page and its parts; null serves none. */
  readonly page: ((request: Request) => Promise<Response | null>) | null;
}

/** Every route that `openapi.json` describes: all except those of the page. */
export function apiRoutes(options: AppOptions): Route[] {
  return [
    ...chatRoutes(options),
    ...messageRoutes(options),
    ...fileRoutes(options),
    ...questionRoutes(options),
    ...turnRoutes(options),
    ...scheduleRoutes(options),
    ...webhookRoutes(options),
    ...workspaceRoutes(options),
    ...triggerRoutes(options),
    { method: 'get', path: '/v1/info', handle: (context) => context.json(options.info) },
    { method: 'get', path: '/openapi.json', open: true, handle: (context) => context.json(options.openapi) },
    { method: 'get', path: '/healthz', open: true, handle: (context) => context.json(healthOf(options)) },
    { method: 'get', path: '/metrics', installation: true, handle: (context) => metricsOf(options, context) },
  ];
}

/** What turns wait for, since when, until when. Always 200: a restart would end no outage of others. */
function healthOf({ waiting }: AppOptions) {
  const away = waiting?.() ?? [];
  if (away.length === 0) return { status: 'ok' };
  const parts = away.map(({ waitingFor }) => `the ${waitingFor}`).join(' and ');
  return {
    status: 'degraded',
    reason: `Turns wait for ${parts}. Their messages are kept.`,
    waiting: away.map(({ waitingFor, sinceMs, nextTryAtMs }) => ({
      for: waitingFor,
      since: new Date(sinceMs).toISOString(),
      next_try_at: new Date(nextTryAtMs).toISOString(),
    })),
  };
}

async function metricsOf({ metrics }: AppOptions, context: Context): Promise<Response> {
  if (!metrics) return noRoute();
  return context.body(await metrics.text(), 200, { 'content-type': metrics.contentType });
}

function noRoute(): Response {
  return problemResponse({ status: 404, code: 'no-route', detail: 'There is nothing at this address.' });
}

/** So many owners' routes are remembered. */
const MAX_REMEMBERED = 1_000;

/** The routes of one owner. Whatever ids a request holds, they open nothing of another tenant. */
function routesOf(given: AppOptions): (owner: Owner) => Route[] {
  const known = new Map<string, Route[]>();
  return (owner) => {
    const { tenant, user } = owner;
    const key = user === undefined ? tenant : `${tenant} ${user.id} ${user.name}`;
    const before = known.get(key);
    if (before) return before;
    const routes = apiRoutes({ ...given, ...forTenant(given, owner.tenant), owner });
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(key, routes);
    return routes;
  };
}

export function createApp(options: AppOptions): Hono<Caller> {
  const app = new Hono<Caller>();
  const ofOwner = routesOf(options);
  const routes = ofOwner(OWN);
  const bearer = options.vouched ? takeOwner : checkBearer(options.apiKeys, options.ownerOf);
  app.onError((error, context) => answerError(error, context, options.log));
  app.use(async (context, next) => {
    await next();
    context.header('x-content-type-options', 'nosniff');
    if (!context.res.headers.has('cache-control')) context.header('cache-control', 'no-store');
  });
  const { origins = [] } = options;
  app.use(checkHead, allowOrigins(origins), checkBrowser(options.knownHosts, origins));
  for (const [at, route] of routes.entries()) {
    const path = honoPath(route.path);
    const method = route.method.toUpperCase();
    if (route.open) app.on(method, path, checkJson, route.handle);
    else {
      app.on(method, path, bearer, checkJson, (context) => {
        const { owner = OWN } = context.var;
        if (route.installation && owner !== OWN) {
          refuse(403, 'not-for-tenants', 'This is for the key of the installation.');
        }
        if (route.program && owner.user) {
          refuse(403, 'not-for-people', 'This is for a key, not for the token of a person.');
        }
        requireScope(owner, scopeOf(route));
        return ofOwner(owner)[at]!.handle(context);
      });
    }
  }
  for (const [path, allow] of allowed(routes)) app.all(honoPath(path), () => methodNotAllowed(allow));
  if (options.page) servePage(app, options.page);
  app.notFound(noRoute);
  return app;
}

function servePage(app: Hono<Caller>, page: NonNullable<AppOptions['page']>): void {
  const handle = async (context: Context) => (await page(context.req.raw)) ?? context.notFound();
  for (const path of ['/', '/assets/*']) {
    app.get(path, handle);
    app.all(path, () => methodNotAllowed('GET, HEAD'));
  }
}

function honoPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}

function allowed(routes: readonly Route[]): Map<string, string> {
  const paths = new Map<string, string>();
  for (const { path, method } of routes) {
    const names = method === 'get' ? 'GET, HEAD' : method.toUpperCase();
    paths.set(path, paths.has(path) ? `${paths.get(path)}, ${names}` : names);
  }
  return paths;
}

function methodNotAllowed(allow: string): Response {
  const detail = `This address takes ${allow}.`;
  return problemResponse({ status: 405, code: 'method-not-allowed', detail, headers: { allow } });
}
