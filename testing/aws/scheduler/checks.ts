// What EventBridge Scheduler checks of a schedule before it takes it.

export interface ScheduleInput {
  readonly GroupName?: string;
  readonly ScheduleExpression: string;
  readonly ScheduleExpressionTimezone?: string;
  readonly State?: 'ENABLED' | 'DISABLED';
  readonly FlexibleTimeWindow: { readonly Mode: string };
  readonly ActionAfterCompletion?: 'NONE' | 'DELETE';
  readonly ClientToken?: string;
  readonly Target: {
    readonly Arn: string;
    readonly RoleArn: string;
    readonly Input?: string;
    readonly SqsParameters?: { readonly MessageGroupId?: string };
    readonly RetryPolicy?: {
      readonly MaximumEventAgeInSeconds?: number;
      readonly MaximumRetryAttempts?: number;
    };
  };
}

/** As its documented status and header. */
export class SchedulerError extends Error {
  readonly status: number;
  readonly type: string;
  constructor(status: number, type: string, message: string) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

const MAX_INPUT_BYTES = 256 * 1024;
const AT = /^at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)$/;

export function checkName(name: string): string {
  if (!/^[0-9a-zA-Z-_.]{1,64}$/.test(name)) throw invalid('Name: 1 to 64 of [0-9a-zA-Z-_.].');
  return name;
}

/** Epoch milliseconds of a one-time schedule. */
export function timeOf({ ScheduleExpression }: Pick<ScheduleInput, 'ScheduleExpression'>): number {
  return Date.parse(`${AT.exec(ScheduleExpression)?.[1]}Z`);
}

export function checkSchedule(input: ScheduleInput): void {
  const { ScheduleExpression: expression, ScheduleExpressionTimezone: zone, Target } = input;
  if (/^(?:cron|rate)\(/.test(expression)) throw notHere('recurring schedules');
  if (zone !== undefined && zone !== 'UTC') throw notHere('time zones');
  if (Number.isNaN(timeOf(input))) throw invalid(`Invalid Schedule Expression ${expression}.`);
  if (!input.FlexibleTimeWindow?.Mode) throw invalid('FlexibleTimeWindow is required.');
  if (input.FlexibleTimeWindow.Mode !== 'OFF') throw notHere('flexible windows');
  if (!/^[\w-]{1,64}$/.test(input.ClientToken ?? '')) throw invalid('ClientToken: 1 to 64 of [a-zA-Z0-9-_].');
  if (!/^arn:/.test(Target?.RoleArn ?? '')) throw invalid('Target.RoleArn is no role.');
  if (!/^arn:aws:sqs:/.test(Target.Arn)) throw notHere(`targets such as ${Target.Arn}`);
  const group = Target.SqsParameters?.MessageGroupId;
  if (Target.Arn.endsWith('.fifo') && !/^[\x21-\x7e]{1,128}$/.test(group ?? '')) {
    throw invalid('SqsParameters.MessageGroupId is required for a FIFO queue.');
  }
  if (Buffer.byteLength(Target.Input ?? '') > MAX_INPUT_BYTES) throw invalid('Target.Input is too large.');
  if (/<aws\.scheduler\./.test(Target.Input ?? '')) throw notHere('context attributes in an input');
  const { MaximumEventAgeInSeconds: ageSec = 86_400, MaximumRetryAttempts: retries = 185 } =
    Target.RetryPolicy ?? {};
  if (ageSec < 60 || ageSec > 86_400) throw invalid('MaximumEventAgeInSeconds: 60 to 86400.');
  if (retries < 0 || retries > 185) throw invalid('MaximumRetryAttempts: 0 to 185.');
}

function invalid(message: string): SchedulerError {
  return new SchedulerError(400, 'ValidationException', message);
}

function notHere(what: string): SchedulerError {
  return new SchedulerError(501, 'NotImplemented', `This stand-in has no ${what}.`);
}
