// A turn's way to the model: a token of the worker's gateway in the place of whatever right the endpoint gives, and the
// figures of the turn as the gateway counted them. The CLI speaks plain Messages API or Bedrock, as the endpoint does.
import { systemClock } from '../core/clock.ts';
import { type Tenant, tenantOf } from '../core/ids.ts';
import type { ChatModelsOf } from '../core/ports/chat-models.ts';
import type { AgentOutcome } from '../core/ports/execution.ts';
import type { HostRun } from '../core/ports/hosts.ts';
import type { UsageTotals } from '../core/ports/usage.ts';
import type { Usage } from '../core/records.ts';
import type { ModelCall } from '../core/timeline.ts';
import { personOf } from '../core/vault.ts';
import type { Budgets } from '../gateway/budgets.ts';
import { createModelFallback, fallbackNote } from '../gateway/model-fallback.ts';
import type { GatewayTurn, ModelFailure, OpenTurn } from '../gateway/model-gateway.ts';
import { isShortName } from '../gateway/model-policy.ts';
import type { ModelUpstream } from '../gateway/model-upstream.ts';
import type { TenantAgentOf } from '../tenants/tenant-agent.ts';
import type { SignInNote } from '../tool-servers/sign-in/sign-in-link.ts';
import type { ModelEndpoint } from './environment.ts';
import type { ToolNarrowing } from './narrowed-tools.ts';
import { type FolderModels, turnModels } from './turn-models.ts';
import type { TurnTools } from './turn-tools.ts';

export interface ModelAccessOptions {
  readonly folder: FolderModels;
  readonly model: ModelEndpoint;
  /** The worker's, here or elsewhere; or what opens one for each turn. */
  readonly gateway: TurnGateway | (() => Promise<TurnGateway & { close(): Promise<void> }>);
  /** What turns may spend. */
  readonly budgets?: Budgets;
  /** The turn's tool servers at URLs, where they are reached through this process. */
  readonly turnTools?: TurnTools;
  /** What tenants have of their own. */
  readonly agentOf?: TenantAgentOf;
}

/** As much of a gateway as turns need; it may be in another process. */
export interface TurnGateway {
  openTurn(turn: OpenTurn): AccountedTurn | Promise<AccountedTurn>;
  /** Sends a minimal request: true when this model answers. */
  answers(model: string, run: HostRun): Promise<boolean>;
  /** Whether it can be reached at all; left out where it is in this process. */
  isThere?(run: HostRun): Promise<boolean>;
}

/** Its figures are whole once it is closed. */
interface AccountedTurn extends Omit<GatewayTurn, 'trouble'> {
  trouble(): ModelFailure | null | Promise<ModelFailure | null>;
  /** Where the gateway is elsewhere and has tool servers that people sign in to: what the reply ends with. */
  notes?(): Promise<readonly SignInNote[]>;
}

/** What a turn runs with. */
export interface TurnAccess {
  /** With the model that was chosen for this turn. */
  readonly folder: FolderModels;
  readonly model: ModelEndpoint;
  readonly away: () => ModelFailure | null;
}

export interface ModelAccess {
  /** Opens the way, has the turn run, closes the way, and puts the figures into the outcome. */
  during(run: HostRun, work: (access: TurnAccess) => Promise<AgentOutcome>): Promise<AgentOutcome>;
  /** True when the model that failed last answers a smallest request. */
  answersAgain(): Promise<boolean>;
  /** What a chat of this tenant may choose from. */
  readonly modelsOf: ChatModelsOf;
}

const PUBLIC_API = 'https://api.anthropic.com';

/** As much as concerns tool servers; undefined: nothing. */
function ofToolServers({ allow, deny }: ToolNarrowing): ToolNarrowing | undefined {
  const isTheirs = (tool: string) => tool.startsWith('mcp__');
  const narrowing = { allow: allow?.filter(isTheirs) ?? null, deny: deny.filter(isTheirs) };
  return narrowing.allow === null && narrowing.deny.length === 0 ? undefined : narrowing;
}

export function createModelAccess(options: ModelAccessOptions): ModelAccess {
  const { model: endpoint } = options;
  const fallbacks = createModelFallback(systemClock);
  let failedLast: { readonly model: string; readonly run: HostRun } | null = null;

  async function withGateway<T>(work: (gateway: TurnGateway) => Promise<T>): Promise<T> {
    if (typeof options.gateway === 'object') return await work(options.gateway);
    const gateway = await options.gateway();
    try {
      return await work(gateway);
    } finally {
      await gateway.close();
    }
  }

  /** With the tenant's own model and budgets, where it has some. */
  async function agentFor(tenant: Tenant) {
    const agent = await options.agentOf?.(tenant);
    if (!agent) {
      const { folder, budgets } = options;
      return { name: null, folder, budgets, narrowing: undefined, choices: folder.settings.chatModels ?? [] };
    }
    const { name, folder, model, tools, budgets } = agent;
    const narrowing = ofToolServers(tools);
    // Who chose a model for the tenant chose it for its chats.
    const choices = model === null ? (folder.settings.chatModels ?? []) : [];
    const own = model === null ? folder : withModel(folder, model);
    return { name, folder: own, budgets, narrowing, choices };
  }

  async function chosenModel(run: HostRun, gateway: TurnGateway, folder: FolderModels) {
    const named = folder.settings.model ?? endpoint.model;
    const { fallbackModel } = folder.settings;
    if (named === undefined || fallbackModel === undefined || endpoint.demo) return null;
    return await fallbacks.choose({
      model: named,
      fallback: fallbackModel,
      tries: run.tries,
      // Which model a short name stands for only the CLI knows.
      answers: async (model) => isShortName(model) || (await gateway.answers(model, run)),
    });
  }

  return {
    during: (run, work) =>
      withGateway(async (gateway) => {
        const agent = await agentFor(tenantOf(run.request.sessionKey));
        const { name, budgets, narrowing, choices } = agent;
        const wished = choices.find((model) => model === run.model);
        const folder = wished === undefined ? agent.folder : withModel(agent.folder, wished);
        const chosen = await chosenModel(run, gateway, folder);
        const using = chosen ? withModel(folder, chosen.model) : folder;
        const { request } = run;
        const tools = options.turnTools?.(run, { name, ...(narrowing && { narrowing }) }) ?? null;
        const turn = await gateway.openTurn({
          tenant: tenantOf(request.sessionKey),
          sessionId: run.sessionId,
          turnId: request.turnId,
          sessionKey: request.sessionKey,
          ...(request.sender ? { speaker: request.sender.id } : {}),
          person: personOf(request),
          ...(name === null ? {} : { agent: name }),
          ...(narrowing && { narrowing }),
          models: turnModels(using, endpoint.model),
          ...(budgets ? { budgets } : {}),
          ...(tools && { tools }),
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
          await turn.close();
        }
        const seen = turn.failure() ?? (outcome.failure ? await turn.trouble() : null);
        if (seen?.model) failedLast = { model: seen.model, run };
        const judged =
          isOutage(outcome) &&
          !seen &&
          (await isAnswering(gateway, run, using.settings.model ?? endpoint.model))
            ? withoutOutage(outcome)
            : withWhatTheGatewaySaw(outcome, seen);
        const counted = withUsage(judged, turn.usage(), turn.calls());
        const told = chosen ? withFallback(counted, folder, chosen, seen) : counted;
        const notes = (await (tools ?? turn).notes?.()) ?? [];
        return withNotes(
          told,
          notes.map(({ text }) => text),
        );
      }),
    async modelsOf(tenant) {
      const { folder, choices } = await agentFor(tenant);
      return { own: folder.settings.model ?? endpoint.model ?? null, choices };
    },
    answersAgain: () =>
      withGateway(
        async (gateway) => failedLast !== null && (await gateway.answers(failedLast.model, failedLast.run)),
      ),
  };

  function withFallback(
    outcome: AgentOutcome,
    folder: FolderModels,
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

/** Links to sign in: made on this side, so that no agent can change where they lead. */
function withNotes(outcome: AgentOutcome, notes: readonly string[]): AgentOutcome {
  if (notes.length === 0 || outcome.status !== 'ok') return outcome;
  return { ...outcome, text: [outcome.text.trimEnd(), ...notes].filter(Boolean).join('\n\n') };
}

function withModel(folder: FolderModels, model: string): FolderModels {
  return { ...folder, settings: { ...folder.settings, model } };
}

const isOutage = ({ failure }: AgentOutcome): boolean => failure?.code === 'model-unavailable';

/** Asked when an outage is told of that the gateway saw nothing of. What a short name stands for only the CLI knows. */
async function isAnswering(gateway: TurnGateway, run: HostRun, model: string | undefined): Promise<boolean> {
  if (model === undefined || isShortName(model)) return (await gateway.isThere?.(run)) ?? true;
  return await gateway.answers(model, run);
}

/** An outage costs a message no attempt, so it is none by an agent's word alone. */
function withoutOutage(outcome: AgentOutcome): AgentOutcome {
  const message = 'The agent ended because the model did not answer it, but the model answers.';
  return { ...outcome, failure: { code: 'agent-crashed', message } };
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
