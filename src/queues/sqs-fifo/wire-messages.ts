// How requests travel in SQS messages, and what its errors mean. Group = conversation, deduplication id = turn (and
// part). SQS counts time in whole seconds; parts of a second are rounded up.
import { createHash } from 'node:crypto';
import { SQSClient, type SQSClientConfig } from '@aws-sdk/client-sqs';
import { refusal } from '../../aws/client-errors.ts';
import { timeOuts } from '../../aws/time-outs.ts';
import { Invalid } from '../../core/errors.ts';
import type { TurnRequest } from '../../core/messages.ts';
import { cutText } from '../../text/cut-text.ts';

const MAX_BODY_BYTES = 1_048_576;
const MAX_GROUP_LENGTH = 128;
const MAX_VISIBILITY_SEC = 43_200;
const MAX_REASON_LENGTH = 1_000;
/** JSON leaves these two as they are, and SQS refuses them. */
const NONCHARACTERS = /[\uFFFE\uFFFF]/g;
// The characters an attribute may not hold.
const CONTROLS = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g;

export interface SqsConnection {
  /** A ready client; then `region`, `endpoint` and `credentials` are not used, and closing it is the caller's. */
  readonly client?: SQSClient;
  readonly region?: string;
  readonly endpoint?: string;
  readonly credentials?: NonNullable<SQSClientConfig['credentials']>;
}

/** A client with bounded retries, with time for a 20-second poll. */
export function createSqsClient(options: SqsConnection): SQSClient {
  return new SQSClient({
    ...(options.region !== undefined && { region: options.region }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.credentials !== undefined && { credentials: options.credentials }),
    retryMode: 'standard',
    maxAttempts: 4,
    requestHandler: timeOuts(25_000, 25_000),
  });
}

/** A session key fits as it is, or its digest stands for it: every real key holds a `/`, no digest does. */
export function groupOf(sessionKey: string): string {
  if (sessionKey.length <= MAX_GROUP_LENGTH && /^[\x21-\x7E]+$/.test(sessionKey)) return sessionKey;
  return `sha256_${createHash('sha256').update(sessionKey).digest('hex')}`;
}

export function bodyOf(request: TurnRequest): string {
  const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16)}`;
  const body = JSON.stringify(request).replace(NONCHARACTERS, escaped);
  if (Buffer.byteLength(body) > MAX_BODY_BYTES) {
    throw new Invalid('message-too-large', 'The message is larger than the queue takes (1 MiB).', {
      advice: 'Send it in parts.',
    });
  }
  return body;
}

export function secondsOf(ms: number): number {
  return Math.min(Math.max(Math.ceil(ms / 1_000), 0), MAX_VISIBILITY_SEC);
}

/** A reason as a message attribute may hold it: never empty, no control characters. */
export function reasonText(reason: string): string {
  return cutText(reason.toWellFormed().replace(CONTROLS, ' '), MAX_REASON_LENGTH) || 'no reason given';
}

/** The receipt is over: used, expired, or the message is with someone else. */
export function isReceiptLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (/ReceiptHandleIsInvalid|MessageNotInflight/.test(error.name)) return true;
  return /InvalidParameterValue/.test(error.name) && /receipt ?handle|does not exist/i.test(error.message);
}

export async function withSqsErrors<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw refusal('SQS', error);
  }
}
