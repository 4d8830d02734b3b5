// A gateway that lives as long as one turn: for a runner that was given none.
import type { Log } from '../core/log.ts';
import { createUpstreamConnections } from '../gateway/connections.ts';
import { createModelGateway, type ModelGateway } from '../gateway/model-gateway.ts';
import type { ModelEndpoint } from './environment.ts';
import { upstreamOf } from './model-access.ts';

export interface GatewayPerTurnOptions {
  readonly model: ModelEndpoint;
  /** `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` for the way to the model, where there is a proxy. */
  readonly proxy?: Readonly<Record<string, string>>;
  readonly log?: Log;
}

export function gatewayPerTurn({ model, proxy, log }: GatewayPerTurnOptions): () => Promise<ModelGateway> {
  const connections = createUpstreamConnections(proxy);
  return () => createModelGateway({ upstream: upstreamOf(model), connections, ...(log ? { log } : {}) });
}
