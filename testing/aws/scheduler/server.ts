// EventBridge Scheduler as far as one-time schedules go, over signed HTTP, in memory: groups, the API's checks, and the sending of
// messages to SQS with retries. Recurring schedules, time zones and other targets it refuses, saying so. What is not
// documented it takes the hard way: a time in the past never comes, a finished schedule keeps its name, a list may lag.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html (read 2026-11)
import '../../../src/node-version.ts';

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { systemClock } from '../../../src/core/clock.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import type { Keyring } from '../iam/keyring.ts';
import { bodyOf, serveLoopback } from '../loopback.ts';
import type { StandIn } from '../process.ts';
import { type KnownKey, signatureFault } from '../verify-signature.ts';
import { checkName, checkSchedule, type ScheduleInput, SchedulerError, timeOf } from './checks.ts';

export interface SchedulerServerOptions {
  /** Where messages are sent, and the queue's address for its ARN. */
  readonly sqs: SQSClient;
  readonly queueUrlOf: (arn: string) => string | null;
  readonly key: KnownKey;
  readonly region: string;
  /** Besides the key: keys with the rights of their policies. */
  readonly iam?: { readonly keyring: Keyring; readonly groupArn: (name: string) => string };
  readonly clock?: Clock;
  /** How late a schedule comes, within its minute. @default at once */
  readonly lateMs?: () => number;
  /** How often a message is sent: at least once. @default once */
  readonly sends?: () => number;
}

export interface SchedulerServer extends StandIn {
  createGroup(name: string): void;
  /** What is there, finished ones among it. */
  schedules(): readonly StoredSchedule[];
  /** Messages that were sent. */
  readonly sent: readonly { readonly name: string; readonly body: string }[];
  /** Messages on their way. */
  readonly sending: number;
  /** Called before each request is looked at: what it waits for, the caller waits for. */
  intercept(before: ((operation: string) => Promise<void> | void) | null): void;
}

export interface StoredSchedule extends ScheduleInput {
  readonly name: string;
  readonly group: string;
  readonly isFinished: boolean;
}

interface Kept extends Omit<StoredSchedule, 'isFinished'> {
  isFinished: boolean;
  readonly replaced: AbortController;
}

const ACCOUNT = '000000000000';
/** What Node's timers can count, and a look at the clock now and then. */
const LONGEST_SLEEP_MS = 3_600_000;
const RETRY_MS = 1_000;

export async function startSchedulerServer(options: SchedulerServerOptions): Promise<SchedulerServer> {
  const { region, clock = systemClock, lateMs = () => 0, sends = () => 1 } = options;
  const groups = new Set<string>(['default']);
  const kept = new Map<string, Kept>();
  const sent: { name: string; body: string }[] = [];
  let sending = 0;
  let before: Parameters<SchedulerServer['intercept']>[0] = null;
  const arnOf = (group: string, name: string) =>
    `arn:aws:scheduler:${region}:${ACCOUNT}:schedule/${group}/${name}`;

  function put(name: string, input: ScheduleInput, isNew: boolean): object {
    checkName(name);
    const group = input.GroupName ?? 'default';
    if (!groups.has(group)) throw notFound(`Schedule group ${group} does not exist.`);
    checkSchedule(input);
    const key = `${group}/${name}`;
    const there = kept.get(key);
    if (isNew && there)
      throw new SchedulerError(409, 'ConflictException', `Schedule ${name} already exists.`);
    if (!isNew && !there) throw notFound(`Schedule ${name} does not exist.`);
    there?.replaced.abort();
    const one: Kept = { ...input, name, group, isFinished: false, replaced: new AbortController() };
    kept.set(key, one);
    if (input.State !== 'DISABLED') void run(key, one);
    return { ScheduleArn: arnOf(group, name) };
  }

  async function run(key: string, one: Kept): Promise<void> {
    const { signal } = one.replaced;
    const atMs = timeOf(one) + lateMs();
    if (timeOf(one) < clock.now() - 1_000) return;
    while (clock.now() < atMs && !signal.aborted) {
      await clock.sleep(Math.min(atMs - clock.now(), LONGEST_SLEEP_MS), signal);
    }
    if (signal.aborted) return;
    sending += 1;
    for (let times = sends(); times > 0; times--) await send(one, signal);
    sending -= 1;
    one.isFinished = true;
    if (one.ActionAfterCompletion === 'DELETE' && kept.get(key) === one) kept.delete(key);
  }

  async function send({ name, Target }: Kept, signal: AbortSignal): Promise<void> {
    const { MaximumEventAgeInSeconds: ageSec = 86_400, MaximumRetryAttempts: retries = 185 } =
      Target.RetryPolicy ?? {};
    const untilMs = clock.now() + ageSec * 1_000;
    for (let tries = 0; tries <= retries && clock.now() < untilMs && !signal.aborted; tries++) {
      try {
        const body = Target.Input ?? '';
        const command = new SendMessageCommand({
          QueueUrl: options.queueUrlOf(Target.Arn) ?? '',
          MessageBody: body,
          MessageGroupId: Target.SqsParameters?.MessageGroupId,
        });
        await options.sqs.send(command);
        sent.push({ name, body });
        return;
      } catch {
        await clock.sleep(RETRY_MS * 2 ** Math.min(tries, 6), signal);
      }
    }
  }

  function find(name: string, group: string): Kept {
    const found = kept.get(`${group}/${name}`);
    if (!found) throw notFound(`Schedule ${name} does not exist.`);
    return found;
  }

  function list(query: URLSearchParams): object {
    const group = query.get('ScheduleGroup');
    const prefix = query.get('NamePrefix') ?? '';
    const max = Number(query.get('MaxResults') ?? 100);
    if (!(max >= 1 && max <= 100)) throw invalid('MaxResults must be between 1 and 100.');
    if (group !== null && !groups.has(group)) throw notFound(`Schedule group ${group} does not exist.`);
    const all = [...kept.values()]
      .filter((one) => (group === null || one.group === group) && one.name.startsWith(prefix))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const after = query.get('NextToken') ?? '';
    const rest = all.filter(({ name }) => name > after);
    const page = rest.slice(0, max);
    return {
      Schedules: page.map(({ name, group: GroupName, State = 'ENABLED', Target }) => ({
        Arn: arnOf(GroupName, name),
        GroupName,
        Name: name,
        State,
        Target: { Arn: Target.Arn },
      })),
      ...(rest.length > max && { NextToken: page.at(-1)?.name }),
    };
  }

  /** The caller's key and rights, as its policies have them. */
  function authorize(request: IncomingMessage, body: Buffer): (action: string, resource: string) => void {
    const keyId = /Credential=([^/,\s]+)\//.exec(String(request.headers.authorization ?? ''))?.[1] ?? '';
    const principal = options.iam?.keyring.find(keyId);
    const received = {
      method: request.method ?? '',
      target: request.url ?? '/',
      headers: request.headers,
      body,
    };
    // Signatures are of now, whatever clock the schedules go by.
    const where = { region, service: 'scheduler', nowMs: Date.now() };
    const fault = signatureFault(received, principal ?? options.key, where);
    if (fault !== null) throw new SchedulerError(403, 'InvalidSignatureException', fault);
    return (action, resource) => {
      const context = { 'iam:PassedToService': ['scheduler.amazonaws.com'] };
      if (
        principal &&
        !principal.allows({ action, resource, ...(action === 'iam:PassRole' && { context }) })
      ) {
        throw new SchedulerError(403, 'AccessDeniedException', `${principal.name} may not ${action}.`);
      }
    };
  }

  function answer(request: IncomingMessage, body: Buffer): object {
    const allow = authorize(request, body);
    const url = new URL(request.url ?? '/', 'http://localhost');
    const [, kind, encoded] = /^\/(schedules|schedule-groups)(?:\/([^/]+))?$/.exec(url.pathname) ?? [];
    const name = decodeURIComponent(encoded ?? '');
    const operation = `${request.method} ${kind}`;
    const own = (group: string) => `${options.iam?.groupArn(group) ?? group}/${name}`;
    if (operation === 'GET schedules' && name === '') {
      allow('scheduler:ListSchedules', '*');
      return list(url.searchParams);
    }
    if (operation === 'POST schedules' || operation === 'PUT schedules') {
      const input = JSON.parse(body.toString('utf8')) as ScheduleInput;
      const isNew = request.method === 'POST';
      allow(`scheduler:${isNew ? 'Create' : 'Update'}Schedule`, own(input.GroupName ?? 'default'));
      allow('iam:PassRole', input.Target?.RoleArn ?? '');
      return put(name, input, isNew);
    }
    const group = url.searchParams.get('groupName') ?? 'default';
    if (operation === 'GET schedules') {
      allow('scheduler:GetSchedule', own(group));
      const {
        replaced: _,
        isFinished: _finished,
        name: Name,
        group: GroupName,
        ...input
      } = find(name, group);
      return { ...input, Name, GroupName, Arn: arnOf(group, name) };
    }
    if (operation === 'DELETE schedules') {
      allow('scheduler:DeleteSchedule', own(group));
      find(name, group).replaced.abort();
      kept.delete(`${group}/${name}`);
      return {};
    }
    throw new SchedulerError(501, 'NotImplemented', `This stand-in has no ${operation}.`);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const headers = { 'content-type': 'application/json', 'x-amzn-requestid': randomUUID() };
    try {
      await before?.(`${request.method} ${request.url}`);
      const value = answer(request, body);
      response.writeHead(200, headers).end(JSON.stringify(value));
    } catch (error) {
      if (!(error instanceof SchedulerError)) throw error;
      response.writeHead(error.status, { ...headers, 'x-amzn-errortype': error.type });
      response.end(JSON.stringify({ Message: error.message }));
    }
  }

  const server = await serveLoopback(handle);
  return {
    endpoint: server.endpoint,
    createGroup: (name) => void groups.add(checkName(name)),
    schedules: () => [...kept.values()].map(({ replaced: _, ...one }) => one),
    sent,
    get sending() {
      return sending;
    },
    intercept(given) {
      before = given;
    },
    async close() {
      for (const { replaced } of kept.values()) replaced.abort();
      await server.close();
    },
  };
}

function notFound(message: string): SchedulerError {
  return new SchedulerError(404, 'ResourceNotFoundException', message);
}

function invalid(message: string): SchedulerError {
  return new SchedulerError(400, 'ValidationException', message);
}
