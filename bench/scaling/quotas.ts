// What AWS allows, and what one of our turns asks of each part. Sources: the AWS documentation of Lambda quotas, tenant isolation, SQS FIFO,
// DynamoDB partitions and S3 request rates, read 2026-11; requests of a turn: docs/aws-calls.md.

export interface Quotas {
  /** Executions at once in the account's region. 1,000 by default, 10 in a new account; raised on request. */
  readonly concurrency: number;
  /** Environments of isolated functions, idle ones included, for each thousand of concurrency. */
  readonly tenantEnvironmentsPerThousand: number;
  /** New environments of a function in ten seconds. */
  readonly rampPer10Sec: number;
  /** Turns at once that one event source mapping of a queue runs; it begins with 5 and takes on so many more in a minute. */
  readonly turnsPerQueue: number;
  readonly queueRampPerMin: number;
  /** Requests a second to a FIFO queue with limits per message group. */
  readonly queueRequestsPerSec: number;
  /** Writes a second to one partition of DynamoDB. */
  readonly partitionWritesPerSec: number;
  /** PUTs a second below one prefix of S3, before it splits. */
  readonly prefixPutsPerSec: number;
}

export const DEFAULT_QUOTAS: Quotas = {
  concurrency: 1_000,
  tenantEnvironmentsPerThousand: 2_500,
  rampPer10Sec: 1_000,
  turnsPerQueue: 1_000,
  queueRampPerMin: 300,
  queueRequestsPerSec: 70_000,
  partitionWritesPerSec: 1_000,
  prefixPutsPerSec: 3_500,
};

/** What a turn asks for, by where agents run. */
export const PER_TURN = {
  /** Worker, agent host, and a gateway while the model speaks; `shared`: the worker alone. */
  executions: { isolated: 3, shared: 1 },
  queueRequests: 3,
  /** A head moves in the index of its tenant: an old entry goes, a new one comes. */
  tenantIndexWrites: 2,
  /** Each call of the model is counted for its tenant, by day and by month, in one partition. */
  tenantCounterWritesPerModelCall: 2,
  puts: 1,
} as const;
