// A turn's way to the model where the gateway is a function of its own: a signed token says what the turn may do there. The
// worker holds neither the model's key nor the connection. What the turn used it reads where the gateway wrote it down.
import type { ModelEndpoint } from '../agent/environment.ts';
import { endpointOf, usageOf } from '../agent/model-access.ts';
import { type TurnId, tenantOf } from '../core/ids.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { UsageLedger, UsageTotals } from '../core/ports/usage.ts';
import { personOf } from '../core/vault.ts';
import type { Budgets } from '../gateway/budgets.ts';
import { signTurnToken } from '../gateway/turn-token.ts';
import type { TurnModels } from '../host/process-hosts.ts';

/** Longer than any invocation. The token is dead before that, as soon as its turn is committed. */
const TOKEN_MS = 20 * 60_000;

export interface GatewayAccessOptions {
  readonly url: string;
  readonly secret: Uint8Array;
  /** What the agents' programs take for the model, without any right to it. */
  readonly endpoint: Pick<ModelEndpoint, 'bedrock' | 'model' | 'demo'>;
  readonly budgets: Budgets;
  readonly usage: Pick<UsageLedger, 'read'>;
  readonly clock: Clock;
}

export function createGatewayAccess(options: GatewayAccessOptions): TurnModels {
  const { url, secret, endpoint, budgets, usage, clock } = options;

  async function usedBy(
    tenant: ReturnType<typeof tenantOf>,
    turnId: TurnId,
  ): Promise<UsageTotals | undefined> {
    const [totals] = await usage.read([{ tenant, scope: 'turn', id: turnId, period: 'whole', start: '' }]);
    return totals;
  }

  return {
    async during(run, work) {
      const { request, sessionId, tries } = run;
      const tenant = tenantOf(request.sessionKey);
      const grant = {
        tenant,
        sessionId,
        turnId: request.turnId,
        sessionKey: request.sessionKey,
        ...(request.sender ? { speaker: request.sender.id } : {}),
        person: personOf(request),
        // The agent folder, which names them, is in the agents' image.
        models: null,
        budgets,
        once: tries > 1,
      };
      const token = signTurnToken(secret, { grant, expiresAtMs: clock.now() + TOKEN_MS });
      const before = await usedBy(tenant, request.turnId);
      const { usage: _, ...outcome } = await work({
        folder: { settings: {} },
        model: endpointOf({ ...endpoint }, { url, token }),
        away: () => null,
      });
      const after = await usedBy(tenant, request.turnId);
      if (!before || !after || after.calls === before.calls) return outcome;
      return { ...outcome, usage: usageOf(difference(after, before)) };
    },
    // Which request failed last only the gateway knows: a lasting failure counts as an outage.
    answersAgain: async () => false,
  };
}

function difference(after: UsageTotals, before: UsageTotals): UsageTotals {
  return {
    calls: after.calls - before.calls,
    inputTokens: after.inputTokens - before.inputTokens,
    outputTokens: after.outputTokens - before.outputTokens,
    cacheReadTokens: after.cacheReadTokens - before.cacheReadTokens,
    cacheWriteTokens: after.cacheWriteTokens - before.cacheWriteTokens,
    costNanoUsd: after.costNanoUsd - before.costNanoUsd,
  };
}
