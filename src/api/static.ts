// The chat page and its parts from a folder: `/` is index.html, `/assets/<path>` a file below the folder, and
// `/assets/vendor/<name>.js` one of the two libraries the page uses, from where npm put them. Only file kinds a
// page is made of, nothing hidden, nothing outside. The page may load nothing from anywhere else.
import { readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  js: 'text/javascript; charset=utf-8',
  png: 'image/png',
  svg: 'image/svg+xml',
  webmanifest: 'application/manifest+json',
  woff2: 'font/woff2',
};

const policyWith = (elsewhere: readonly string[]) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    // Pictures of people and agents are made of bytes that the page has fetched.
    "img-src 'self' data: blob:",
    "font-src 'self'",
    ["connect-src 'self'", ...elsewhere].join(' '),
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

const VENDOR: Readonly<Record<string, string>> = {
  'vendor/dompurify.js': 'dompurify',
  'vendor/marked.js': 'marked',
};

type Page = (request: Request) => Promise<Response | null>;

const WIDGET = 'hybrid-chat.js';

/**
 * Answers a request for the page or a part of it; null when there is no such file. `elsewhere`: origins that it may ask, since
 * files are kept there.
 */
export function servePageFrom(folder: string, elsewhere: readonly string[] = []): Page {
  return serveFiles((path) => fileFor(folder, path), policyWith(elsewhere));
}

/** Only the script of the widget, which the build puts into this folder: for pages of other origins. */
export function serveWidgetFrom(folder: string): Page {
  const find = async (path: string) => (path === `/assets/${WIDGET}` ? await existing(folder, WIDGET) : null);
  return serveFiles(find, policyWith([]));
}

/** The first one that has an answer. */
export function eitherPage(...pages: readonly Page[]): Page {
  return async (request) => {
    for (const page of pages) {
      const answer = await page(request);
      if (answer !== null) return answer;
    }
    return null;
  };
}

function serveFiles(find: (path: string) => Promise<string | null>, policy: string): Page {
  return async (request) => {
    const file = await find(new URL(request.url).pathname);
    const type =
      TYPES[/\.(\w+)$/.exec(file ?? '')?.[1] ?? ''] ?? (file?.endsWith('.mjs') ? TYPES.js : undefined);
    if (file === null || type === undefined) return null;
    const { mtimeMs, size } = await stat(file);
    const etag = `"${size.toString(36)}-${Math.round(mtimeMs).toString(36)}"`;
    const headers = {
      'content-type': type,
      etag,
      // Browsers ask every time and get a 304 while the file is unchanged, so a new version shows at once.
      'cache-control': 'no-cache',
      'content-security-policy': policy,
      'referrer-policy': 'no-referrer',
      // Any page may load the widget; what it may ask the API for is another question.
      ...(file.endsWith(WIDGET) && { 'cross-origin-resource-policy': 'cross-origin' }),
    };
    if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers });
    return new Response(new Uint8Array(await readFile(file)), { headers });
  };
}

async function fileFor(folder: string, path: string): Promise<string | null> {
  if (path === '/') return await existing(folder, 'index.html');
  const name = path.replace(/^\/assets\//, '');
  const vendor = Object.hasOwn(VENDOR, name) ? VENDOR[name] : undefined;
  if (vendor) return fileURLToPath(import.meta.resolve(vendor));
  if (!/^[\w-]+(\.[\w-]+)*(\/[\w-]+(\.[\w-]+)*)*$/.test(name) || name === 'index.html') return null;
  return await existing(folder, name);
}

async function existing(folder: string, name: string): Promise<string | null> {
  try {
    const [root, file] = await Promise.all([realpath(folder), realpath(join(folder, name))]);
    return file.startsWith(root + sep) && (await stat(file)).isFile() ? file : null;
  } catch {
    return null;
  }
}
