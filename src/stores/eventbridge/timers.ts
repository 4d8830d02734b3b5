// Timers of schedules in EventBridge Scheduler: a one-time schedule for each due time, in the installation's own group, which sends
// a message to the turns' queue with the right of a role that can do nothing else. Rings up to a minute late, at least
// once. The group's names tell conversation, schedule and due time, so that each can be found without a list of our own.
import { createHash } from 'node:crypto';
import type { SchedulerClient, SchedulerClientConfig, Target } from '@aws-sdk/client-scheduler';
import { errorName, refusal } from '../../aws/client-errors.ts';
import { timeOuts } from '../../aws/time-outs.ts';
import { systemClock } from '../../core/clock.ts';
import { dueRequest } from '../../core/due-schedule.ts';
import type { SessionKey } from '../../core/ids.ts';
import { once } from '../../core/once.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ScheduleTimer, ScheduleTimers } from '../../core/ports/schedules.ts';
import type { ScheduleId } from '../../core/schedule.ts';
import { bodyOf } from '../../queues/sqs-fifo/wire-messages.ts';

export interface EventBridgeTimersOptions {
  readonly groupName: string;
  /** Of the queue that the messages go to: FIFO, with content-based deduplication. */
  readonly queueArn: string;
  /** What EventBridge Scheduler sends them as. */
  readonly roleArn: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly credentials?: NonNullable<SchedulerClientConfig['credentials']>;
  readonly clock?: Clock;
}

export interface EventBridgeTimers extends ScheduleTimers {
  /** Rings all again that were due before `beforeMs`, until `signal` aborts. Returns how many. */
  ringAgain(beforeMs: number, signal: AbortSignal): Promise<number>;
}

/** A time in the past is not promised to ring at all. */
const SOON_MS = 5_000;
/** The API's largest page. */
const PAGE = 100;
const AT_ONCE = 10;

export function createEventBridgeTimers(options: EventBridgeTimersOptions): EventBridgeTimers {
  const { groupName, queueArn, roleArn, clock = systemClock } = options;
  // Most programs that open a store of schedules never set one.
  const sdk = once(() => import('@aws-sdk/client-scheduler'));
  const open = once(async (): Promise<SchedulerClient> => {
    const { SchedulerClient } = await sdk();
    const { region, endpoint, credentials } = options;
    return new SchedulerClient({
      ...(region !== undefined && { region }),
      ...(endpoint !== undefined && { endpoint }),
      ...(credentials !== undefined && { credentials }),
      retryMode: 'standard',
      maxAttempts: 4,
      requestHandler: timeOuts(5_000, 5_000),
    });
  });
  let opened = false;

  async function call<T>(
    work: (client: SchedulerClient, api: Awaited<ReturnType<typeof sdk>>) => Promise<T>,
  ) {
    opened = true;
    try {
      return await work(await open(), await sdk());
    } catch (error) {
      throw refusal('EventBridge Scheduler', error);
    }
  }

  const named = (name: string, atMs: number, target: Target) => ({
    Name: name,
    GroupName: groupName,
    ScheduleExpression: atExpression(atMs),
    ScheduleExpressionTimezone: 'UTC',
    FlexibleTimeWindow: { Mode: 'OFF' as const },
    // It goes when what it rings for is done.
    ActionAfterCompletion: 'NONE' as const,
    Target: target,
  });

  async function clearNamed(name: string): Promise<void> {
    await call(async (client, { DeleteScheduleCommand }) => {
      try {
        await client.send(new DeleteScheduleCommand({ Name: name, GroupName: groupName }));
      } catch (error) {
        if (errorName(error) !== 'ResourceNotFoundException') throw error;
      }
    });
  }

  async function* names(prefix?: string): AsyncGenerator<readonly string[]> {
    let next: string | undefined;
    do {
      const page = await call((client, { ListSchedulesCommand }) =>
        client.send(
          new ListSchedulesCommand({
            GroupName: groupName,
            MaxResults: PAGE,
            ...(prefix !== undefined && { NamePrefix: prefix }),
            ...(next !== undefined && { NextToken: next }),
          }),
        ),
      );
      yield (page.Schedules ?? []).map(({ Name }) => Name ?? '');
      next = page.NextToken;
    } while (next !== undefined);
  }

  return {
    async set({ sessionKey, id, conversation }, dueMs) {
      const ringsAtMs = Math.max(dueMs, clock.now() + SOON_MS);
      const timer = named(nameOf({ sessionKey, id, dueMs }), ringsAtMs, {
        Arn: queueArn,
        RoleArn: roleArn,
        // What is between angle brackets the service would fill in.
        Input: bodyOf(dueRequest(conversation, id, dueMs, ringsAtMs)).replaceAll('<', '\\u003c'),
        // A place of its own: it must not wait behind the turn that runs.
        SqsParameters: { MessageGroupId: `due_${id}` },
        RetryPolicy: { MaximumEventAgeInSeconds: 86_400, MaximumRetryAttempts: 185 },
      });
      await call(async (client, { CreateScheduleCommand, UpdateScheduleCommand }) => {
        try {
          await client.send(new CreateScheduleCommand(timer));
        } catch (error) {
          if (errorName(error) !== 'ConflictException') throw error;
          // It is there. One that may have rung rings again.
          if (dueMs < clock.now() + 2 * SOON_MS) await client.send(new UpdateScheduleCommand(timer));
        }
      });
    },
    clear: (timer) => clearNamed(nameOf(timer)),
    async clearAll(key, id) {
      const prefix = id === undefined ? prefixOf(key) : `${prefixOf(key)}${bare(id)}.`;
      for await (const page of names(prefix)) {
        for (let at = 0; at < page.length; at += AT_ONCE) {
          await Promise.all(page.slice(at, at + AT_ONCE).map(clearNamed));
        }
      }
    },
    async ringAgain(beforeMs, signal) {
      let rung = 0;
      for await (const page of names()) {
        for (const name of page) {
          if (signal.aborted) return rung;
          if (dueOf(name) >= beforeMs) continue;
          await call(async (client, { GetScheduleCommand, UpdateScheduleCommand }) => {
            try {
              const { Target } = await client.send(
                new GetScheduleCommand({ Name: name, GroupName: groupName }),
              );
              if (Target) {
                const timer = named(name, clock.now() + SOON_MS, Target);
                await client.send(new UpdateScheduleCommand(timer));
              }
              rung += 1;
            } catch (error) {
              if (errorName(error) !== 'ResourceNotFoundException') throw error;
            }
          });
        }
      }
      return rung;
    },
    async close() {
      if (opened) (await open()).destroy();
    },
  };
}

/** `KEY.SCHEDULE.DUE`: digits of the conversation's key, of the schedule's id, and milliseconds. */
function nameOf({ sessionKey, id, dueMs }: ScheduleTimer): string {
  return `${prefixOf(sessionKey)}${bare(id)}.${dueMs}`;
}

function prefixOf(key: SessionKey): string {
  return `${createHash('sha256').update(key).digest('hex').slice(0, 24)}.`;
}

const bare = (id: ScheduleId) => id.slice('sch_'.length);

/** Never due, where the name is none of ours. */
function dueOf(name: string): number {
  const [, due] = /^[0-9a-f]{24}\.[0-9a-f]{16}\.(\d{1,16})$/.exec(name) ?? [];
  return due === undefined ? Number.POSITIVE_INFINITY : Number(due);
}

/** Whole seconds, never before the time. */
function atExpression(atMs: number): string {
  const whole = new Date(Math.ceil(atMs / 1_000) * 1_000);
  return `at(${whole.toISOString().slice(0, 19)})`;
}
