// A turn's way to the model where the gateway is a function of its own: a signed token says what the turn may do there. The
// worker holds neither the model's key nor the connection.
import type { ModelAccess } from '../agent/model-access.ts';
import { tenantOf } from '../core/ids.ts';
import type { Clock } from '../core/ports/clock.ts';
import { signTurnToken } from '../gateway/turn-token.ts';

/** Longer than any invocation. The token is dead before that, as soon as its turn is committed. */
const TOKEN_MS = 20 * 60_000;

export interface GatewayAccessOptions {
  readonly url: string;
  readonly secret: Uint8Array;
  /** Used when the agent folder names none. */
  readonly model?: string;
  readonly demo: boolean;
  readonly clock: Clock;
}

export function createGatewayAccess({ url, secret, model, demo, clock }: GatewayAccessOptions): ModelAccess {
  return {
    async open({ request, sessionId, tries }) {
      const grant = {
        tenant: tenantOf(request.sessionKey),
        sessionId,
        turnId: request.turnId,
        sessionKey: request.sessionKey,
        ...(request.sender ? { speaker: request.sender.id } : {}),
        models: null,
        once: tries > 1,
      };
      const token = signTurnToken(secret, { grant, expiresAtMs: clock.now() + TOKEN_MS });
      return {
        model: { baseUrl: url, apiKey: token, demo, ...(model === undefined ? {} : { model }) },
        away: () => null,
        close: async () => {},
      };
    },
    // Which request failed last only the gateway knows: a lasting failure counts as an outage.
    modelAnswers: async () => false,
  };
}
