// The paging service on loopback: keeps what was sent, each page once by its id, and calls where it was told to.
import { bodyOf, serveLoopback } from '../../../testing/aws/loopback.ts';

export const TOKEN = 'pt-42-secret';

export interface FakeService {
  readonly apiRoot: string;
  /** Where it calls, once somebody registered. */
  readonly registered: { readonly url: string; readonly secret: string } | null;
  pagesTo(pager: string): readonly string[];
  /** Status of what answered the call. */
  call(message: { id: string; from: string; text: string }): Promise<number>;
  close(): Promise<unknown>;
}

export async function startFakeService(): Promise<FakeService> {
  const pages = new Map<string, { to: string; text: string }>();
  let registered: FakeService['registered'] = null;
  const server = await serveLoopback(async (request, response) => {
    const answer = (status: number, body: object) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return answer(401, {});
    const body = JSON.parse((await bodyOf(request)).toString('utf8'));
    if (request.url === '/me') return answer(200, { station: 'station-7' });
    if (request.url === '/register') registered = body;
    else if (request.url === '/unregister') registered = registered?.url === body.url ? null : registered;
    else if (request.url === '/send') pages.set(body.id, body);
    else return answer(404, {});
    answer(200, {});
  });
  return {
    apiRoot: server.endpoint,
    get registered() {
      return registered;
    },
    pagesTo: (pager) => [...pages.values()].filter(({ to }) => to === pager).map(({ text }) => text),
    async call(message) {
      if (!registered) throw new Error('Nobody registered with the paging service.');
      const response = await fetch(`${registered.url}/calls`, {
        method: 'POST',
        body: JSON.stringify(message),
        headers: { 'x-pager': registered.secret },
      });
      return response.status;
    },
    close: () => server.close(),
  };
}
