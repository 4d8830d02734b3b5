// Takes turns off the queue and runs them, those of different conversations beside each other, so that one which hangs
// keeps no other waiting (APART). Several workers may run at once, here and on other machines: the queue keeps a
// conversation's order, the lease keeps its turns single.
import { randomUUID } from 'node:crypto';
import { backoffAfterMs, backoffMs } from './backoff.ts';
import { DAY_SEC } from './defaults.ts';
import { type Tenant, tenantOf } from './ids.ts';
import { errorFields } from './log.ts';
import type { TurnRequest } from './messages.ts';
import type { ReceivedMessage, ScheduleStore, TurnQueue, WebhookStore } from './ports.ts';
import type { TurnDeps, TurnOutcome } from './running-turn.ts';
import { createScheduling } from './scheduling.ts';
import { forTenant } from './tenant-bound.ts';
import type { TenantRecord } from './tenants.ts';
import { runTurn } from './turn.ts';
import { MAX_WAIT_MS } from './waiting.ts';

/** After the queue did not answer. */
const RECEIVING = { firstMs: 2_000, maxMs: 60_000 };
/** After a turn failed with an error that nobody expected. */
const UNEXPECTED = { firstMs: 5_000, maxMs: 60_000 };

export interface WorkerDeps extends TurnDeps {
  readonly queue: TurnQueue;
  /** How long a message stays invisible without a heartbeat. After a worker was killed its conversation waits this long. */
  readonly visibilityMs: number;
  /** What the registry knows of a tenant; the installation's own settings hold without it. */
  readonly recordOf?: (tenant: Tenant) => Promise<TenantRecord | null>;
  /** Without it nothing can be scheduled. */
  readonly schedules?: ScheduleStore;
  /** Where a chat has chosen none. @default UTC */
  readonly timeZone?: string;
  /** With `announcer`: who is told that turns have ended. */
  readonly webhooks?: WebhookStore;
  readonly announcer?: (webhooks: WebhookStore) => NonNullable<TurnDeps['announce']>;
  /** What works for one tenant is done with these, whose credentials open nothing else; with `store` and `state` without it. */
  readonly storesFor?: (
    tenant: Tenant,
  ) => Pick<TurnDeps, 'store' | 'state' | 'objects'> & Pick<WorkerDeps, 'webhooks'>;
}

export interface WorkerOptions {
  /** Ends the loop when the running turns have ended. */
  readonly signal: AbortSignal;
  /** Interrupts the running turns at a safe point; another worker continues them. */
  readonly deadline?: AbortSignal;
  /** So many turns at once, each of another conversation. @default 1 */
  readonly turnsAtOnce?: number;
}

/** Runs until `signal` aborts. Errors of the queue itself are waited out, not thrown. */
export async function runWorker(deps: WorkerDeps, options: WorkerOptions): Promise<void> {
  const { turnsAtOnce = 1, deadline = new AbortController().signal } = options;
  const running = new Set<Promise<unknown>>();
  let failures = 0;
  while (!options.signal.aborted) {
    if (running.size >= turnsAtOnce) {
      await Promise.race(running);
      continue;
    }
    let deliveries: readonly ReceivedMessage[];
    try {
      deliveries = await deps.queue.receive({
        max: 1,
        waitMs: 20_000,
        visibilityMs: deps.visibilityMs,
        signal: options.signal,
      });
      failures = 0;
    } catch (error) {
      deps.log('error', 'receive-failed', errorFields(error));
      await deps.clock.sleep(backoffAfterMs(error, RECEIVING, ++failures), options.signal);
      continue;
    }
    for (const delivery of deliveries) {
      const turn = processMessage(deps, delivery, deadline).finally(() => running.delete(turn));
      running.add(turn);
    }
  }
  await Promise.all(running);
}

/** Runs one delivery's turn and tells the queue what became of it. Never throws. */
export async function processMessage(
  deps: WorkerDeps,
  delivery: ReceivedMessage,
  deadline: AbortSignal,
): Promise<TurnOutcome> {
  const { request } = delivery;
  const startedAtMs = deps.clock.now();
  let outcome: TurnOutcome;
  try {
    const bound = await boundTo(tenantOf(request.sessionKey), deps);
    outcome = await runTurn(bound, request, {
      owner: randomUUID(),
      deadline,
      receives: delivery.receiveCount,
      onBeat: () => delivery.extend(deps.visibilityMs),
    });
  } catch (error) {
    deps.log('error', 'turn-failed', { turn: request.turnId, ...errorFields(error) });
    outcome = { kind: 'retry', afterMs: backoffMs(UNEXPECTED, delivery.receiveCount), reason: 'unexpected' };
  }
  deps.log('info', 'turn-ended', {
    turn: request.turnId,
    outcome: outcome.kind,
    reason: 'reason' in outcome ? outcome.reason : undefined,
    receives: delivery.receiveCount,
    waitedMs: startedAtMs - request.receivedAtMs,
    tookMs: deps.clock.now() - startedAtMs,
  });
  if (outcome.kind === 'retry' && outcome.waitingFor !== undefined) {
    deps.log('warn', 'turn-waits', {
      turn: request.turnId,
      waitingFor: outcome.waitingFor,
      reason: outcome.reason,
      tries: delivery.receiveCount,
      nextTryInMs: outcome.afterMs,
      ageMs: deps.clock.now() - request.receivedAtMs,
    });
  }
  try {
    await answerQueue(deps, delivery, outcome);
  } catch (error) {
    // Unanswered, the message comes back by itself and finds its turn in the ledger.
    deps.log('warn', 'queue-answer-failed', { turn: request.turnId, ...errorFields(error) });
  }
  return outcome;
}

/** The turn's steps can name nothing of another tenant, and keep things for as long as their own says. */
async function boundTo(tenant: Tenant, deps: WorkerDeps): Promise<TurnDeps> {
  // Where the registry cannot be read, the turn does not get past its first question.
  const record = await deps.recordOf?.(tenant).catch(() => null);
  const days = record?.settings.retentionDays ?? null;
  const { schedules, webhooks, announcer } = deps;
  const bound = {
    ...deps,
    send: (request: TurnRequest) => deps.queue.send(request),
    ...forTenant(
      {
        ...(webhooks && { webhooks }),
        ...(deps.storesFor?.(tenant) ?? deps),
        ...(schedules && { schedules }),
      },
      tenant,
    ),
    // Another agent folder has others.
    ...(record?.settings.agentFolder != null && { commands: [] }),
    ...(days !== null && { retentionSec: days * DAY_SEC }),
  };
  const told = announcer && bound.webhooks ? { announce: announcer(bound.webhooks) } : {};
  if (!bound.schedules) return { ...bound, ...told };
  const { timeZone = 'UTC' } = deps;
  const scheduling = createScheduling({ ...bound, schedules: bound.schedules, timeZone });
  return { ...bound, ...told, scheduling };
}

async function answerQueue(deps: WorkerDeps, delivery: ReceivedMessage, outcome: TurnOutcome): Promise<void> {
  switch (outcome.kind) {
    case 'done':
      return await delivery.ack();
    case 'dead':
      return await delivery.deadLetter(outcome.reason);
    case 'retry':
      return await delivery.retry(Math.min(outcome.afterMs, longestWaitMs(outcome)));
    case 'continue':
      // Behind what the person wrote meanwhile: their message runs first, over the state saved here.
      await deps.queue.send({ ...delivery.request, part: delivery.request.part + 1 });
      return await delivery.ack();
  }
}

/** An outage is waited out, and a platform that names a time is obeyed; nothing else holds a conversation up for long. */
function longestWaitMs({ reason, waitingFor }: Extract<TurnOutcome, { kind: 'retry' }>): number {
  return waitingFor !== undefined || reason === 'delivery-refused' ? MAX_WAIT_MS : 60_000;
}
