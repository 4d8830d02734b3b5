// Connections to the model that outlive a turn, so that the next one needs no new handshake.
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

export interface UpstreamConnections {
  readonly kept: { readonly http: HttpAgent; readonly https: HttpsAgent };
  /** Never used before: for what got no answer on a kept one, which the network may have dropped. */
  readonly fresh: { readonly http: HttpAgent; readonly https: HttpsAgent };
  close(): void;
}

/** A kept connection is dropped by then: networks forget quiet ones, and say nothing. */
const MAX_IDLE_MS = 60_000;

/** `proxy`: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` where the way out leads through one. */
export function createUpstreamConnections(proxy?: Readonly<Record<string, string>>): UpstreamConnections {
  const way = proxy === undefined ? {} : { proxyEnv: { ...proxy } };
  const kept = { ...way, keepAlive: true, timeout: MAX_IDLE_MS };
  const agents = {
    kept: { http: new HttpAgent(kept), https: new HttpsAgent(kept) },
    fresh: { http: new HttpAgent(way), https: new HttpsAgent(way) },
  };
  return {
    ...agents,
    close() {
      for (const { http, https } of [agents.kept, agents.fresh]) {
        http.destroy();
        https.destroy();
      }
    },
  };
}
