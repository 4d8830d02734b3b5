// The model calls of one turn: judged, let out, answered and counted. It knows no server and no token; whoever calls it
// has made sure that the call is this turn's.
import { errorFields, type Log } from '../core/log.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { UsageTotals } from '../core/ports/usage.ts';
import type { ModelCall } from '../core/timeline.ts';
import { countersOf, NO_USAGE, sumUsage } from '../core/usage-counters.ts';
import { type Cost, limitsOf } from './budgets.ts';
import { type Answer, type Call, fault, isOutage, retryAfter } from './call.ts';
import type { UpstreamConnections } from './connections.ts';
import { anyModel, modelPolicy } from './model-policy.ts';
import type { Route, Upstream } from './model-upstream.ts';
import { passOn } from './pass-on.ts';
import { costNanoUsd, type PriceList } from './prices.ts';
import { type Asked, readRequestBody } from './request-body.ts';
import { sendUpstream, type UpstreamAnswer } from './send-upstream.ts';
import type { Spending } from './spending.ts';
import type { TurnGrant } from './turn-grant.ts';
import type { UsageBook } from './usage-book.ts';
import type { MeteredUsage } from './usage-meter.ts';

export interface ModelFailure {
  /** null without an answer. */
  readonly status: number | null;
  /** What `retry-after` named. */
  readonly retryAfterMs?: number;
  /** That the request named. */
  readonly model?: string;
  /** Set when the gateway itself refused: for the person to read as it is. */
  readonly told?: string;
}

/** What all turns of a gateway share. */
export interface GatewayParts {
  readonly upstream: Upstream;
  readonly connections: UpstreamConnections;
  readonly prices: PriceList;
  readonly book: UsageBook;
  readonly spending: Spending;
  readonly clock: Clock;
  readonly log: Log;
}

export interface TurnCalls {
  answer(route: Route, call: Call): Promise<Answer>;
  usage(): UsageTotals;
  /** When each answer was asked for and when it was over, epoch milliseconds; of a long turn the first ones. */
  calls(): readonly ModelCall[];
  /** Why the last request to the model got no answer of use; null when it got one. */
  failure(): ModelFailure | null;
  /** The last such failure of the turn, or answer that broke off, whatever was answered since. */
  trouble(): ModelFailure | null;
  /** Ends what is under way and counts it. */
  close(): Promise<void>;
}

/** The CLI may wait this long by itself, twice. Longer waits are left to the queue. */
const SHORT_WAIT_MS = 5_000;
/** A request that names no limit of its own. */
const ASSUMED_MAX_TOKENS = 32_000;
/** Whose times are remembered. */
const MAX_CALLS = 500;
/** Few texts have more tokens than that. */
const BYTES_PER_TOKEN = 3;

export interface TurnCallsOptions {
  readonly onSilence?: ((silent: boolean) => void) | undefined;
  /** Called whenever `trouble` changes. */
  readonly onTrouble?: (failure: ModelFailure) => void;
}

export function createTurnCalls(
  grant: TurnGrant,
  parts: GatewayParts,
  { onSilence, onTrouble }: TurnCallsOptions = {},
): TurnCalls {
  const { upstream, prices, book, spending, clock, log, connections } = parts;
  const mayCall = grant.models === null || upstream.isDemo ? anyModel : modelPolicy(grant.models);
  const over = new AbortController();
  const underWay = new Set<Promise<void>>();
  let usage = NO_USAGE;
  let failure: ModelFailure | null = null;
  const calls: ModelCall[] = [];
  let trouble: ModelFailure | null = null;

  function fail(seen: ModelFailure): void {
    failure = seen;
    note(seen);
  }

  function note(seen: ModelFailure): void {
    trouble = seen;
    onTrouble?.(seen);
  }

  function count(model: string, metered: MeteredUsage): void {
    const list = upstream.isDemo ? null : prices(model);
    const used: UsageTotals = {
      calls: 1,
      inputTokens: metered.inputTokens,
      outputTokens: metered.outputTokens,
      cacheReadTokens: metered.cacheReadTokens,
      cacheWriteTokens: metered.cacheWriteTokens + metered.cacheWriteHourTokens,
      costNanoUsd: list ? costNanoUsd(metered, list) : 0,
    };
    usage = sumUsage(usage, used);
    book.add(countersOf(grant, clock.now()), used);
  }

  /** null: it may go out; call `release` when it has been counted. */
  async function admit(asked: Asked, signal: AbortSignal): Promise<string | { release: () => void }> {
    const limits = upstream.isDemo ? [] : limitsOf(grant.budgets ?? {}, grant, clock.now());
    const list = prices(asked.model ?? '');
    if (!list && limits.some(({ allowance }) => allowance.usd !== undefined)) {
      return `What the model "${asked.model}" costs is not known here, so no budget in dollars can be kept. The operator can name its price.`;
    }
    const admitted = await spending.admit(limits, worstCost(asked, list), signal);
    return 'refusal' in admitted ? admitted.refusal : admitted;
  }

  async function message(route: Route, asked: Asked, call: Call, signal: AbortSignal): Promise<Answer> {
    const model = asked.model ?? '';
    let admitted: Awaited<ReturnType<typeof admit>>;
    try {
      admitted = await admit(asked, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      log('error', 'budget-not-read', { turn: grant.turnId, ...errorFields(error) });
      fail({ status: 503, model });
      return fault(503, 'What has been spent so far cannot be read right now.', { final: true });
    }
    if (typeof admitted === 'string') {
      fail({ status: 402, model, told: admitted });
      return fault(402, admitted, { final: true });
    }
    const { release } = admitted;
    const done = Promise.withResolvers<void>();
    const fromMs = clock.now();
    underWay.add(done.promise);
    const end = (metered: MeteredUsage | null, broke = false): void => {
      if (calls.length < MAX_CALLS) calls.push({ fromMs, toMs: clock.now() });
      if (metered) count(model, metered);
      // An agent that hangs up ends the request as the model's side does.
      if (broke && !signal.aborted) note({ status: null, model });
      release();
      done.resolve();
      underWay.delete(done.promise);
    };
    try {
      const sent = await send(route, asked, call, signal);
      const status = sent.message.statusCode ?? 502;
      const seen = isOutage(status) ? { status, ...retryAfter(sent.message.headers), model } : null;
      if (seen) fail(seen);
      else failure = null;
      if (seen && (grant.once || (seen.retryAfterMs ?? 0) > SHORT_WAIT_MS)) {
        sent.message.resume();
        end(null);
        return fault(503, `The model's server answers HTTP ${status} right now.`, { final: true });
      }
      return passOn(sent, end);
    } catch (error) {
      end(null);
      if (signal.aborted) throw error;
      fail({ status: null, model });
      return noAnswer(error);
    }
  }

  async function send(route: Route, asked: Asked, call: Call, signal: AbortSignal): Promise<UpstreamAnswer> {
    const url = new URL(upstream.baseUrl.pathname.replace(/\/+$/, '') + route.path, upstream.baseUrl);
    const kept = Object.entries(call.headers).filter(([name]) => upstream.forwards.test(name));
    // What comes compressed could not be counted as it passes.
    const headers = { ...Object.fromEntries(kept), 'accept-encoding': 'identity', host: url.host };
    const request = { method: call.method, url, headers, body: asked.body };
    const right = await upstream.authorize(request);
    return await sendUpstream(
      { ...request, headers: { ...headers, ...right } },
      { connections, signal, onSilence },
    );
  }

  function noAnswer(error: unknown): Answer {
    log('debug', 'model-not-reached', { turn: grant.turnId, ...errorFields(error) });
    const text = "The model's server cannot be reached.";
    return grant.once ? fault(503, text, { final: true }) : fault(502, text);
  }

  return {
    async answer(route, call) {
      const asked = readRequestBody(route, call.body);
      if ('wrong' in asked) return fault(400, asked.wrong);
      if (asked.model !== null && !mayCall(asked.model)) {
        log('warn', 'model-not-allowed', { turn: grant.turnId, model: asked.model.slice(0, 200) });
        return fault(404, `This turn may not call the model "${asked.model.slice(0, 200)}".`);
      }
      const signal = AbortSignal.any([call.signal, over.signal]);
      signal.throwIfAborted();
      if (route.kind === 'message') return await message(route, asked, call, signal);
      try {
        return passOn(await send(route, asked, call, signal), () => {});
      } catch (error) {
        if (signal.aborted) throw error;
        return noAnswer(error);
      }
    },
    usage: () => usage,
    calls: () => calls,
    failure: () => failure,
    trouble: () => trouble,
    async close() {
      over.abort();
      await Promise.all(underWay);
      await book.written();
    },
  };
}

function worstCost({ body, maxTokens }: Asked, list: ReturnType<PriceList>): Cost {
  const input = Math.ceil(body.length / BYTES_PER_TOKEN);
  const output = maxTokens ?? ASSUMED_MAX_TOKENS;
  const dollarsPerMillion = input * (list?.input ?? 0) + output * (list?.output ?? 0);
  return { nanoUsd: Math.ceil(dollarsPerMillion * 1_000), tokens: input + output };
}
