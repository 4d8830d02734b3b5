// The gateway as a worker sees it where it is a function of its own: a signed token says what a turn may do there. The worker
// holds neither the model's key nor the connection. What the turn used, and how the model failed it, the gateway has written
// down; what an agent's host says of either counts for nothing.
import { randomUUID } from 'node:crypto';
import type { TurnGateway } from '../agent/model-access.ts';
import { type TurnId, tenantOf } from '../core/ids.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { HostRun } from '../core/ports/hosts.ts';
import type { UsageLedger, UsageTotals } from '../core/ports/usage.ts';
import { NO_USAGE } from '../core/usage-counters.ts';
import { isOutage } from '../gateway/call.ts';
import type { Upstream } from '../gateway/model-upstream.ts';
import type { TurnGrant } from '../gateway/turn-grant.ts';
import { signTurnToken } from '../gateway/turn-token.ts';
import type { ModelTroubles } from '../stores/dynamodb/model-troubles.ts';
import type { TurnNotes } from '../stores/dynamodb/turn-notes.ts';

export interface RemoteGatewayOptions {
  readonly url: string;
  readonly secret: Uint8Array;
  /** How the gateway's upstream is asked. */
  readonly upstream: Pick<Upstream, 'ask'>;
  readonly usage: Pick<UsageLedger, 'read'>;
  readonly troubles: Pick<ModelTroubles, 'read'>;
  /** null where no tool server wants people to sign in. */
  readonly notes: Pick<TurnNotes, 'read'> | null;
  readonly clock: Clock;
}

/** Longer than any invocation. The token is dead before that, as soon as its turn is committed. */
const TOKEN_MS = 20 * 60_000;
const ASK_MS = 30_000;
/** What breaks off at the end of an answer is written down a moment later. */
const LATE_MS = 1_000;

export function createRemoteGateway(options: RemoteGatewayOptions): TurnGateway {
  const { url, secret, upstream, usage, troubles, notes, clock } = options;
  const tokenFor = (grant: TurnGrant) =>
    signTurnToken(secret, { grant, expiresAtMs: clock.now() + TOKEN_MS });

  async function usedBy({ tenant, turnId }: TurnGrant): Promise<UsageTotals> {
    const [totals] = await usage.read([{ tenant, scope: 'turn', id: turnId, period: 'whole', start: '' }]);
    return totals ?? NO_USAGE;
  }

  /** On the turn's account, and without its budgets. null: no answer. */
  async function ask(run: HostRun, models: string[], path: string, body?: object): Promise<number | null> {
    const { request, sessionId } = run;
    const { sessionKey, turnId } = request;
    const token = tokenFor({
      tenant: tenantOf(sessionKey),
      sessionId,
      turnId,
      sessionKey,
      models,
      once: true,
    });
    const asked = {
      method: body ? 'POST' : 'GET',
      headers: { 'x-api-key': token, 'anthropic-version': '2023-06-01', 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(ASK_MS),
    };
    try {
      const response = await fetch(`${url.replace(/\/+$/, '')}${path}`, asked);
      await response.body?.cancel();
      return response.status;
    } catch {
      return null;
    }
  }

  return {
    async openTurn({ onSilence: _, ...given }) {
      const run = randomUUID();
      const grant: TurnGrant = { ...given, run };
      const before = await usedBy(grant);
      let after = before;
      return {
        url,
        token: tokenFor(grant),
        // What the gateway counted is in the ledger; when each call ran, only its log knows.
        calls: () => [],
        usage: () => difference(after, before),
        failure: () => null,
        async trouble() {
          const look = () => troubles.read(grant.tenant, grant.turnId as TurnId, run);
          const seen = await look();
          if (seen) return seen;
          await clock.sleep(LATE_MS);
          return await look();
        },
        ...(notes && { notes: () => notes.read(grant.tenant, grant.turnId, run) }),
        async close() {
          after = await usedBy(grant);
        },
      };
    },
    async answers(model, run) {
      const { path, body } = upstream.ask(model);
      const status = await ask(run, [model], path, body);
      return status !== null && status < 300;
    },
    async isThere(run) {
      const status = await ask(run, [], '/v1/models?limit=1');
      return status !== null && !isOutage(status);
    },
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
