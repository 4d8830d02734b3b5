// The one way from agents to models: one gateway for a worker process, on the worker's side. An agent's host reaches it
// with a token of its turn, which is good for the model calls of that turn and dead when it ends; the real right to call
// the model never leaves this process. It passes both directions through as they come, counts what the answers say was
// used, keeps budgets, and knows when the model is away: then it asks once or a few times, remembers the time that the
// server names, and tells the CLI not to go on by itself, for the turn's own waiting is one that people can see.
import { systemClock } from '../core/clock.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { UsageLedger, UsageTotals } from '../core/ports/usage.ts';
import type { ModelCall } from '../core/timeline.ts';
import { createMemoryUsageLedger } from '../stores/memory/usage-ledger.ts';
import type { ToolServerCalls } from '../tool-servers/turn-tool-servers.ts';
import { createUpstreamConnections, type UpstreamConnections } from './connections.ts';
import { createUpstream } from './create-upstream.ts';
import { type CallHolder, type Listen, openGatewayServer } from './gateway-server.ts';
import type { ModelUpstream, OutgoingRequest, Upstream } from './model-upstream.ts';
import { createPriceList, type ModelPrices } from './prices.ts';
import { sendUpstream } from './send-upstream.ts';
import { createSpending } from './spending.ts';
import { createTurnCalls, type GatewayParts, type ModelFailure } from './turn-calls.ts';
import type { TurnGrant } from './turn-grant.ts';
import { createTokenDesk } from './turn-token.ts';
import { createUsageBook } from './usage-book.ts';

export type { ModelFailure } from './turn-calls.ts';

export interface GatewayOptions {
  readonly upstream: ModelUpstream;
  /** Shared with others; made and closed here when left out. */
  readonly connections?: UpstreamConnections;
  /** Beside the list prices of this package, and before them. */
  readonly prices?: ModelPrices;
  /** Where usage is added up; in this process's memory when left out. */
  readonly usage?: UsageLedger;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface ModelGatewayOptions extends GatewayOptions {
  /** A free port of loopback when left out. */
  readonly listen?: Listen;
  /** Of one request; the API itself takes 32 MB. */
  readonly maxBodyBytes?: number;
}

export interface OpenTurn extends TurnGrant {
  /** Called when the model has said nothing for a while, and when it speaks again. */
  readonly onSilence?: (silent: boolean) => void;
  /** Answered under the same address and token. */
  readonly tools?: ToolServerCalls;
}

export interface GatewayTurn {
  /** For the CLI; `unix:PATH` when the gateway listens there. */
  readonly url: string;
  /** What the CLI shows instead of a key; worthless after `close`. */
  readonly token: string;
  /** As counted from the model's answers. */
  usage(): UsageTotals;
  /** The times of those calls, in the order in which they ended. */
  calls(): readonly ModelCall[];
  /** Why the last request to the model got no answer of use; null when it got one. */
  failure(): ModelFailure | null;
  /** The last such failure of the turn, or answer that broke off, whatever was answered since. */
  trouble(): ModelFailure | null;
  close(): Promise<void>;
}

export interface ModelGateway {
  openTurn(turn: OpenTurn): GatewayTurn;
  /** Sends a minimal request: true when this model answers. On no turn's account. */
  answers(model: string): Promise<boolean>;
  close(): Promise<void>;
}

export const MAX_BODY_BYTES = 32 * 1024 * 1024;
const ASK_MS = 30_000;

export async function createModelGateway(options: ModelGatewayOptions): Promise<ModelGateway> {
  const { listen = { host: '127.0.0.1' }, maxBodyBytes = MAX_BODY_BYTES } = options;
  const parts = gatewayParts(options);
  const desk = createTokenDesk<CallHolder>();
  const turns = new Set<GatewayTurn>();
  const server = await openGatewayServer({
    listen,
    maxBodyBytes,
    find: (token) => desk.find(token),
    route: (method, url) => parts.upstream.route(method, url),
  });
  return {
    openTurn({ onSilence, tools, ...grant }) {
      const calls = createTurnCalls(grant, parts, { onSilence });
      const token = desk.issue({ ...calls, ...(tools && { tools }) });
      const turn: GatewayTurn = {
        url: server.url,
        token,
        usage: calls.usage,
        calls: calls.calls,
        failure: calls.failure,
        trouble: calls.trouble,
        async close() {
          desk.revoke(token);
          turns.delete(turn);
          tools?.close();
          await calls.close();
        },
      };
      turns.add(turn);
      return turn;
    },
    answers: (model) => answersAWord(parts, model),
    async close() {
      await Promise.all([...turns].map((turn) => turn.close()));
      await server.close();
      if (!options.connections) parts.connections.close();
    },
  };
}

export function gatewayParts(options: GatewayOptions): GatewayParts {
  const { clock = systemClock, log = silentLog, connections = createUpstreamConnections() } = options;
  const book = createUsageBook({ ledger: options.usage ?? createMemoryUsageLedger({ clock }), clock, log });
  return {
    upstream: createUpstream(options.upstream),
    connections,
    prices: createPriceList(options.prices),
    book,
    spending: createSpending(book, clock),
    clock,
    log,
  };
}

async function answersAWord({ upstream, connections }: GatewayParts, model: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(ASK_MS);
    const request = await smallestRequest(upstream, model);
    const { message } = await sendUpstream(request, { connections, signal });
    message.resume();
    return (message.statusCode ?? 500) < 300;
  } catch {
    return false;
  }
}

async function smallestRequest(upstream: Upstream, model: string): Promise<OutgoingRequest> {
  const { path, body } = upstream.ask(model);
  const url = new URL(upstream.baseUrl.pathname.replace(/\/+$/, '') + path, upstream.baseUrl);
  const headers = {
    'content-type': 'application/json',
    'anthropic-version': '2023-06-01',
    host: url.host,
  };
  const request = { method: 'POST', url, headers, body: Buffer.from(JSON.stringify(body)) };
  return { ...request, headers: { ...headers, ...(await upstream.authorize(request)) } };
}
