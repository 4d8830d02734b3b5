// A model for tests and benches: answers what a function says, remembers what it was asked, fails on demand.
import '../../src/node-version.ts';

import {
  createModelServer,
  type LoggedRequest,
  type ModelServer,
  type Responder,
} from '../../src/agent/model-server.ts';

export type { ModelReply } from '../../src/agent/model-reply.ts';
export type { ModelFault, Responder } from '../../src/agent/model-server.ts';

export interface ScriptedModel extends ModelServer {
  /** Every request so far, count_tokens too. */
  readonly requests: readonly LoggedRequest[];
  /** Changes the script from now on. */
  respondWith(respond: Responder): void;
}

export async function createScriptedModel(respond: Responder): Promise<ScriptedModel> {
  const requests: LoggedRequest[] = [];
  let current = respond;
  const server = await createModelServer({
    respond: (request) => current(request),
    onRequest: (request) => requests.push(request),
  });
  return {
    ...server,
    requests,
    respondWith: (next) => {
      current = next;
    },
  };
}
