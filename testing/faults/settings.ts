// The settings that the kit sends to each of its processes over a pipe: plain data, and secrets of stand-ins only.
import type { Mutation } from './mutations.ts';
import type { PlannedFault } from './planned.ts';

export interface LocalStore {
  readonly kind: 'local';
  readonly database: string;
  readonly objects: string;
}

export interface AwsStore {
  readonly kind: 'aws';
  readonly dynamoEndpoint: string;
  readonly mappingTable: string;
  readonly stateTable: string;
  readonly s3Endpoint: string;
  readonly bucket: string;
  readonly sqsEndpoint: string;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
}

export type StoreSettings = LocalStore | AwsStore;

export interface Settings {
  /** Of this run: history, claimed faults, data. */
  readonly folder: string;
  /** Compiled code, so that the next process starts in half the time. */
  readonly codeFolder: string;
  readonly store: StoreSettings;
  readonly faults: readonly PlannedFault[];
  readonly agent: 'light' | 'real';
  /** The agent runs in host processes, not in the worker's own. */
  readonly hosts: boolean;
  readonly modelUrl: string;
  readonly telegram: {
    readonly token: string;
    readonly apiRoot: string;
    readonly secret: string;
    readonly users: readonly string[];
  };
  readonly mutation: Mutation | null;
  /** Leases, visibility and pauses last so many times as long. */
  readonly timeFactor: number;
}

export type ToChild =
  | {
      readonly type: 'boot';
      readonly settings: Settings;
      readonly name: string;
      readonly skewMs: number;
      readonly port: number;
      /** Never killed by the plan: long-lived processes show whether memory and files stay flat. */
      readonly spared: boolean;
    }
  | { readonly type: 'stop' };

export type FromChild =
  | { readonly type: 'ready'; readonly port: number }
  /** It is about to stop itself (SIGSTOP) and wants to be woken after `ms`. */
  | { readonly type: 'pausing'; readonly ms: number };

/** A lease and a message's visibility are short, so that takeovers happen soon. */
export const TIMING = { leaseMs: 1_500, heartbeatMs: 300, checkpointEveryMs: 250 } as const;
export const VISIBILITY_MS = 1_500;
/** The AWS clients' own retries take their time. */
export const AWS_TIME_FACTOR = 2.5;
export const KEEP_GENERATIONS = 4;
/** Waits that are seconds in production are cut to this. */
export const MAX_RETRY_MS = 400;
