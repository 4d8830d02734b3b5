// A turn's way to the model: a token of the worker's gateway in the place of whatever right the endpoint gives, and the
// figures of the turn as the gateway counted them. The CLI speaks plain Messages API or Bedrock, as the endpoint does.
import { systemClock } from '../core/clock.ts';
import { tenantOf } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { AgentOutcome } from '../core/ports/execution.ts';
import type { HostRun } from '../core/ports/hosts.ts';
import type { UsageTotals } from '../core/ports/usage.ts';
import type { Usage } from '../core/records.ts';
import type { ModelCall } from '../core/timeline.ts';
import type { Budgets } from '../gateway/budgets.ts';
import { createUpstreamConnections } from '../gateway/connections.ts';
import { createModelFallback, fallbackNote } from '../gateway/model-fallback.ts';
import { createModelGateway, type ModelFailure, type ModelGateway } from '../gateway/model-gateway.ts';
import { isShortName } from '../gateway/model-policy.ts';
import type { ModelUpstream } from '../gateway/model-upstream.ts';
import type { AgentFolder } from './agent-folder.ts';
import type { ModelEndpoint } from './environment.ts';
import { turnModels } from './turn-models.ts';

export interface ModelAccessOptions {
  readonly folder: AgentFolder;
  readonly model: ModelEndpoint;
  /** The worker's; without one each turn has a gateway of its own. */
  readonly gateway?: ModelGateway;
  /** What turns may spend. */
  readonly budgets?: Budgets;
  /** `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` for the way to the model, where there is a proxy. */
  readonly proxy?: Readonly<Record<string, string>>;
  readonly log?: Log;
}

/** What a turn runs with. */
export interface TurnAccess {
  readonly folder: AgentFolder;
  readonly model: ModelEndpoint;
  readonly away: () => ModelFailure | null;
}

export interface ModelAccess {
  /** Opens the way, has the turn run, closes the way, and puts the figures into the outcome. */
  during(run: HostRun, work: (access: TurnAccess) => Promise<AgentOutcome>): Promise<AgentOutcome>;
  /** True when the model that failed last answers a smallest request. */
  answersAgain(): Promise<boolean>;
}

const PUBLIC_API = 'https://api.anthropic.com';

export function createModelAccess(options: ModelAccessOptions): ModelAccess {
  const { folder, model: endpoint, budgets, log } = options;
  const connections = createUpstreamConnections(options.proxy);
  const fallbacks = createModelFallback(systemClock);
  let failedLast: string | undefined;

  async function withGateway<T>(work: (gateway: ModelGateway) => Promise<T>): Promise<T> {
    if (options.gateway) return await work(options.gateway);
    const upstream = upstreamOf(endpoint);
    const gateway = await createModelGateway({ upstream, connections, ...(log ? { log } : {}) });
    try {
      return await work(gateway);
    } finally {
      await gateway.close();
    }
  }

  async function chosenModel(run: HostRun, gateway: ModelGateway) {
    const named = folder.settings.model ?? endpoint.model;
    const { fallbackModel } = folder.settings;
    if (named === undefined || fallbackModel === undefined || endpoint.demo) return null;
    return await fallbacks.choose({
      model: named,
      fallback: fallbackModel,
      tries: run.tries,
      // Which model a short name stands for only the CLI knows.
      answers: async (model) => isShortName(model) || (await gateway.answers(model)),
    });
  }

  return {
    during: (run, work) =>
      withGateway(async (gateway) => {
        const chosen = await chosenModel(run, gateway);
        const using = chosen ? { ...folder, settings: { ...folder.settings, model: chosen.model } } : folder;
        const { request } = run;
        const turn = gateway.openTurn({
          tenant: tenantOf(request.sessionKey),
          sessionId: run.sessionId,
          turnId: request.turnId,
          sessionKey: request.sessionKey,
          ...(request.sender ? { speaker: request.sender.id } : {}),
          models: turnModels(using, endpoint.model),
          ...(budgets ? { budgets } : {}),
          once: run.tries > 1,
          onSilence: (silent) =>
            run.progress(
              silent
                ? { type: 'status', status: 'waiting', waitingFor: 'model', nextTryAtMs: null }
                : { type: 'status', status: 'running' },
            ),
        });
        let outcome: AgentOutcome;
        try {
          const model = endpointOf(endpoint, turn);
          outcome = await work({ folder: using, model, away: turn.failure });
        } finally {
          failedLast = turn.failure()?.model ?? failedLast;
          await turn.close();
        }
        const seen = turn.failure();
        const counted = withUsage(withWhatTheGatewaySaw(outcome, seen), turn.usage(), turn.calls());
        return chosen ? withFallback(counted, chosen, seen) : counted;
      }),
    answersAgain: () =>
      withGateway(async (gateway) => failedLast !== undefined && (await gateway.answers(failedLast))),
  };

  function withFallback(
    outcome: AgentOutcome,
    { model, insteadOf }: { readonly model: string; readonly insteadOf: string | null },
    seen: ModelFailure | null,
  ): AgentOutcome {
    const { failure } = outcome;
    if (failure?.code === 'model-unavailable') {
      // What an agent's side says must not take the model away from others.
      if (seen) fallbacks.isAway(model, seen.retryAfterMs);
      // Another model stands ready: nobody need wait as long as this one's server says.
      const { retryAfterMs: _, ...soon } = failure;
      return model === folder.settings.fallbackModel ? outcome : { ...outcome, failure: soon };
    }
    if (insteadOf === null || outcome.status !== 'ok') return outcome;
    return { ...outcome, text: `${outcome.text.trimEnd()}\n\n${fallbackNote(model, insteadOf)}`.trimStart() };
  }
}

/** Only what the gateway counted. */
function withUsage(
  { usage: _, calls: __, ...outcome }: AgentOutcome,
  totals: UsageTotals,
  calls: readonly ModelCall[],
): AgentOutcome {
  return {
    ...outcome,
    ...(totals.calls > 0 && { usage: usageOf(totals) }),
    ...(calls.length > 0 && { calls }),
  };
}

export function usageOf({
  inputTokens,
  outputTokens,
  cacheReadTokens,
  cacheWriteTokens,
  costNanoUsd,
}: UsageTotals): Usage {
  return { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, costUsd: costNanoUsd / 1e9 };
}

/** What the CLI gets of it. */
export function endpointOf(
  { bedrock, model, demo }: ModelEndpoint,
  turn: { readonly url: string; readonly token: string },
): ModelEndpoint {
  const rest = { demo, ...(model === undefined ? {} : { model }) };
  if (!bedrock) return { ...rest, baseUrl: turn.url, apiKey: turn.token };
  const variables = {
    CLAUDE_CODE_USE_BEDROCK: '1',
    AWS_REGION: bedrock.AWS_REGION ?? DEFAULT_REGION,
    ANTHROPIC_BEDROCK_BASE_URL: turn.url,
    AWS_BEARER_TOKEN_BEDROCK: turn.token,
  };
  return { ...rest, bedrock: variables };
}

const DEFAULT_REGION = 'us-east-1';

/** Where the gateway sends an endpoint's requests. */
export function upstreamOf(endpoint: ModelEndpoint): ModelUpstream {
  const { bedrock, claudePlatform, awsCredentials } = endpoint;
  if (claudePlatform) {
    return {
      kind: 'claude-platform',
      ...claudePlatform,
      ...(awsCredentials && { credentials: awsCredentials }),
    };
  }
  if (bedrock) {
    const {
      AWS_REGION: region = DEFAULT_REGION,
      ANTHROPIC_BEDROCK_BASE_URL: baseUrl,
      AWS_BEARER_TOKEN_BEDROCK: bearerToken,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    } = bedrock;
    const stated =
      accessKeyId && secretAccessKey
        ? async () => ({ accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) })
        : awsCredentials;
    return {
      kind: 'bedrock',
      region,
      ...(baseUrl && { baseUrl }),
      ...(bearerToken ? { bearerToken } : stated && { credentials: stated }),
    };
  }
  const { baseUrl = PUBLIC_API, apiKey, authToken, demo } = endpoint;
  return {
    baseUrl,
    ...(authToken === undefined ? apiKey !== undefined && { apiKey } : { authToken }),
    isDemo: demo,
  };
}

/** What the gateway saw counts more than what the agent's side says of it. */
function withWhatTheGatewaySaw(outcome: AgentOutcome, away: ModelFailure | null): AgentOutcome {
  const { failure } = outcome;
  if (!failure || !away) return outcome;
  const { status, retryAfterMs, told } = away;
  if (told !== undefined && failure.code !== 'resume-lost') {
    return { ...outcome, failure: { code: 'agent-error', message: told } };
  }
  if (failure.code !== 'model-unavailable') return outcome;
  const reason = status === null ? 'no connection' : `HTTP ${status}`;
  return {
    ...outcome,
    failure: {
      code: failure.code,
      message: `The model cannot be reached right now (${reason}).`,
      status,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  };
}
