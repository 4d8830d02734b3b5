// `fetch` for what signing in needs: small answers, a short time, through the same checks of addresses as tools' calls, for
// the addresses come from servers. Nothing follows a redirect here.
import { Readable } from 'node:stream';
import { readBody } from '../../bounded-body.ts';
import { NotReachable, type Outgoing } from '../outgoing.ts';

const MAX_BYTES = 256 * 1024;
const MAX_MS = 15_000;

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

export function outgoingFetch(outgoing: Outgoing): Fetch {
  return async (url, init = {}) => {
    const request = new Request(url, { ...init, redirect: 'manual' });
    const body = request.body === null ? null : await request.text();
    const signal = AbortSignal.any([AbortSignal.timeout(MAX_MS), ...(init.signal ? [init.signal] : [])]);
    const message = await outgoing.send({
      method: request.method,
      url: new URL(request.url),
      headers: { ...Object.fromEntries(request.headers), 'accept-encoding': 'identity' },
      body,
      signal,
    });
    const stream = Readable.toWeb(message) as unknown as ReadableStream<Uint8Array>;
    const headers = new Headers();
    for (const [name, value] of Object.entries(message.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    const bytes = await readBody({ headers, body: stream }, { maxBytes: MAX_BYTES, maxMs: MAX_MS });
    if (typeof bytes === 'string') throw new NotReachable(`The answer is ${bytes.replace('-', ' ')}.`);
    const status = message.statusCode ?? 502;
    const isBare = status === 204 || status === 205 || status === 304 || status < 200;
    return new Response(isBare ? null : Buffer.from(bytes), { status: Math.max(status, 200), headers });
  };
}
