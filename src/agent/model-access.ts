// The worker's side of the way to the model: it holds the credential, and hands out a gateway of the turn's own with a token
// that is worth nothing elsewhere.
import type { AgentOutcome, AgentRun } from '../core/ports/execution.ts';
import type { ModelEndpoint } from './environment.ts';
import {
  createModelGateway,
  createUpstreamConnections,
  type ModelFailure,
  type UpstreamConnections,
} from './model-gateway.ts';

const PUBLIC_API = 'https://api.anthropic.com';
const ASK_MS = 30_000;

export interface ModelAccessOptions {
  readonly model: ModelEndpoint;
  /** `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` for the way to the model, where there is a proxy. */
  readonly proxy?: Readonly<Record<string, string>>;
}

export interface ModelAccess {
  /** For one turn; `model` of it is what the agent's side may know. */
  open(run: Omit<AgentRun, 'directory'>): Promise<TurnGateway>;
  /** Sends the model a minimal request: tells an outage from a request that always fails. */
  modelAnswers(): Promise<boolean>;
}

export interface TurnGateway {
  readonly model: ModelEndpoint;
  readonly away: () => ModelFailure | null;
  close(): Promise<void>;
}

export function createModelAccess(options: ModelAccessOptions): ModelAccess {
  const connections = createUpstreamConnections(options.proxy);
  /** Of the request that failed last. */
  let model: string | undefined;
  return {
    async open(run) {
      const gateway = await openGateway(options.model, connections, run);
      return {
        ...gateway,
        close: async () => {
          model = gateway.away()?.model ?? model;
          await gateway.close();
        },
      };
    },
    async modelAnswers() {
      const gateway = await openGateway(options.model, connections, { tries: 1, progress: () => {} });
      try {
        return model !== undefined && (await answersAWord(gateway.model, model));
      } finally {
        await gateway.close();
      }
    },
  };
}

/** What the gateway saw counts more than what the agent's side says of it. */
export function withWhatTheGatewaySaw(outcome: AgentOutcome, away: ModelFailure | null): AgentOutcome {
  const { failure } = outcome;
  if (failure?.code !== 'model-unavailable' || !away) return outcome;
  const { status, retryAfterMs } = away;
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

/** A model with a credential is reached through a gateway of the turn's own; the CLI gets its token instead. */
async function openGateway(
  model: ModelEndpoint,
  connections: UpstreamConnections,
  run: Pick<AgentRun, 'tries' | 'progress'>,
): Promise<TurnGateway> {
  const { apiKey, authToken, ...rest } = model;
  if (model.bedrock || (apiKey === undefined && authToken === undefined)) {
    return { model: { ...rest, apiKey: 'none' }, away: () => null, close: async () => {} };
  }
  const gateway = await createModelGateway({
    upstream: {
      baseUrl: model.baseUrl ?? PUBLIC_API,
      ...(authToken === undefined ? { apiKey: apiKey ?? '' } : { authToken }),
    },
    connections,
    once: run.tries > 1,
    onSilence: (silent) =>
      run.progress(
        silent
          ? { type: 'status', status: 'waiting', waitingFor: 'model', nextTryAtMs: null }
          : { type: 'status', status: 'running' },
      ),
  });
  return {
    model: { ...rest, baseUrl: gateway.url, apiKey: gateway.token },
    away: gateway.failure,
    close: gateway.close,
  };
}

async function answersAWord({ baseUrl, apiKey }: ModelEndpoint, model: string): Promise<boolean> {
  try {
    const response = await fetch(`${baseUrl ?? PUBLIC_API}/v1/messages`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'anthropic-version': '2023-06-01',
        'x-api-key': apiKey ?? '',
      },
      body: JSON.stringify({ model, max_tokens: 1, messages: [{ role: 'user', content: 'Say yes.' }] }),
      signal: AbortSignal.timeout(ASK_MS),
    });
    return response.ok;
  } catch {
    return false;
  }
}
