// One queue's messages. FIFO: a group is locked while any of its messages is in flight, whoever holds it; the
// five-minute dedupe outlives deletion; a receipt handle serves only for the receive it came from, and only while
// that lasts. Standard queues are here for the dead letters of others: same rules without groups.
import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../../../src/core/ports/clock.ts';
import { badValue, handleExpired, handleInvalid, missing, notInFlight, SqsError } from './errors.ts';

const DEDUPE_MS = 5 * 60_000;
const MAX_BYTES = 1_048_576;
const MAX_VISIBILITY_SEC = 43_200;
const GROUP_ID = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/;
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
}

export interface SentMessage {
  readonly MessageBody: string;
  readonly MessageGroupId?: string;
  readonly MessageDeduplicationId?: string;
  readonly DelaySeconds?: number;
  readonly MessageAttributes?: Readonly<Record<string, MessageAttribute>>;
}

export interface StoredMessage {
  readonly id: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, MessageAttribute>>;
  readonly group: string | null;
  readonly dedupeId: string | null;
  readonly sequence: bigint;
  readonly sentAtMs: number;
  /** The queue it died in, for a message of a dead-letter queue. */
  readonly diedIn: string | null;
  visibleAtMs: number;
  receives: number;
  firstReceivedAtMs: number | null;
  handle: string | null;
}

export type Queue = ReturnType<typeof createQueue>;

export interface QueueOptions {
  readonly name: string;
  readonly arn: string;
  readonly url: string;
  readonly clock: Clock;
  readonly attributes: Map<string, string>;
  readonly nextSequence: () => bigint;
  readonly findByArn: (arn: string) => Queue | undefined;
  /** Called whenever a waiting receive may find something now. */
  readonly onChange: () => void;
}

export function md5(value: string): string {
  return createHash('md5').update(value).digest('hex');
}

export function createQueue(options: QueueOptions) {
  const { clock, attributes, arn, url, name } = options;
  const fifo = name.endsWith('.fifo');
  let messages: StoredMessage[] = [];
  const seen = new Map<string, { id: string; sequence: bigint; untilMs: number }>();
  const handles = new Map<string, StoredMessage>();
  const attempts = new Map<string, { message: StoredMessage; handle: string | null }[]>();

  const inFlight = (message: StoredMessage) => message.handle !== null && message.visibleAtMs > clock.now();

  function remove(message: StoredMessage): void {
    messages = messages.filter((other) => other !== message);
    options.onChange();
  }

  function dedupeIdOf(input: SentMessage): string | null {
    if (!fifo) return null;
    if (input.MessageDeduplicationId !== undefined) return input.MessageDeduplicationId;
    if (attributes.get('ContentBasedDeduplication') === 'true') {
      return createHash('sha256').update(input.MessageBody).digest('hex');
    }
    throw badValue(
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    );
  }

  function check(input: SentMessage): void {
    if (typeof input.MessageBody !== 'string' || input.MessageBody.length === 0) throw missing('MessageBody');
    if (Buffer.byteLength(input.MessageBody) > MAX_BYTES)
      throw badValue(
        'One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.',
      );
    if (FORBIDDEN.test(input.MessageBody))
      throw new SqsError(
        'InvalidMessageContents',
        'The message contains characters outside the allowed set.',
      );
    if (!fifo) return;
    if (input.MessageGroupId === undefined) throw missing('MessageGroupId');
    if (!GROUP_ID.test(input.MessageGroupId))
      throw badValue(
        'MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length',
      );
    if (input.MessageDeduplicationId !== undefined && !GROUP_ID.test(input.MessageDeduplicationId)) {
      throw badValue(
        'MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length',
      );
    }
    if (input.DelaySeconds)
      throw badValue(
        `Value ${input.DelaySeconds} for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.`,
      );
  }

  function send(input: SentMessage): { id: string; sequence: bigint } {
    check(input);
    const dedupeId = dedupeIdOf(input);
    const perGroup = attributes.get('DeduplicationScope') === 'messageGroup';
    const dedupeKey = `${perGroup ? input.MessageGroupId : ''}\n${dedupeId}`;
    const known = seen.get(dedupeKey);
    if (dedupeId !== null && known && known.untilMs > clock.now()) return known;
    const delaySec = input.DelaySeconds ?? Number(attributes.get('DelaySeconds') ?? 0);
    const message: StoredMessage = {
      id: randomUUID(),
      body: input.MessageBody,
      attributes: input.MessageAttributes ?? {},
      group: fifo ? (input.MessageGroupId ?? null) : null,
      dedupeId,
      sequence: options.nextSequence(),
      sentAtMs: clock.now(),
      diedIn: null,
      visibleAtMs: clock.now() + delaySec * 1_000,
      receives: 0,
      firstReceivedAtMs: null,
      handle: null,
    };
    messages.push(message);
    if (dedupeId !== null) {
      seen.set(dedupeKey, { id: message.id, sequence: message.sequence, untilMs: clock.now() + DEDUPE_MS });
    }
    options.onChange();
    return message;
  }

  /** A message of another queue, dead there. */
  function moveToDeadLetters(message: StoredMessage, diedIn: string): void {
    const dead = {
      ...message,
      diedIn,
      sequence: options.nextSequence(),
      visibleAtMs: clock.now(),
      handle: null,
      receives: 0,
    };
    messages.push(dead);
    options.onChange();
  }

  function redrive(message: StoredMessage): boolean {
    const policy = attributes.get('RedrivePolicy');
    if (!policy) return false;
    const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(policy) as {
      deadLetterTargetArn: string;
      maxReceiveCount: number | string;
    };
    const target = options.findByArn(deadLetterTargetArn);
    if (!target || message.receives < Number(maxReceiveCount)) return false;
    remove(message);
    target.moveToDeadLetters(message, arn);
    return true;
  }

  /**
   * What can be had now. A group gives either a run of its first messages, or nothing. A receive repeated with its
   * attempt id gets the same messages, while they are untouched.
   */
  function receive(max: number, visibilitySec: number, attemptId?: string): StoredMessage[] {
    const before = attemptId === undefined ? undefined : attempts.get(attemptId);
    if (before?.every(({ message, handle }) => message.handle === handle && inFlight(message))) {
      return before.map(({ message }) => message);
    }
    const locked = new Set(messages.filter(inFlight).map((message) => message.group));
    const taken: StoredMessage[] = [];
    for (const message of [...messages]) {
      if (taken.length === max) break;
      if (message.visibleAtMs > clock.now()) continue;
      if (fifo && locked.has(message.group)) continue;
      if (redrive(message)) continue;
      message.handle = `${message.id}:${randomUUID()}`;
      handles.set(message.handle, message);
      message.visibleAtMs = clock.now() + visibilitySec * 1_000;
      message.receives += 1;
      message.firstReceivedAtMs ??= clock.now();
      taken.push(message);
    }
    if (attemptId !== undefined && taken.length > 0) {
      attempts.set(
        attemptId,
        taken.map((message) => ({ message, handle: message.handle })),
      );
    }
    return taken;
  }

  /** The message a handle stands for; refuses handles that are over. */
  function held(handle: string | undefined): StoredMessage {
    if (handle === undefined || handle === '') throw missing('ReceiptHandle');
    const message = handles.get(handle);
    if (!message) throw handleInvalid();
    if (fifo && (message.handle !== handle || !inFlight(message))) throw handleExpired();
    return message;
  }

  return {
    arn,
    url,
    name,
    fifo,
    attributes,
    send,
    moveToDeadLetters,
    receive,
    delete(handle: string | undefined): void {
      const known = handle === undefined ? undefined : handles.get(handle);
      if (known && !messages.includes(known)) return;
      remove(held(handle));
    },
    changeVisibility(handle: string | undefined, seconds: number | undefined): void {
      if (seconds === undefined) throw missing('VisibilityTimeout');
      if (!(seconds >= 0 && seconds <= MAX_VISIBILITY_SEC)) {
        throw badValue(
          `Value ${seconds} for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided.`,
        );
      }
      const message = held(handle);
      if (!messages.includes(message)) throw handleInvalid('The message does not exist any more.');
      if (!inFlight(message)) throw notInFlight();
      message.visibleAtMs = clock.now() + seconds * 1_000;
      options.onChange();
    },
    purge(): void {
      messages = [];
      options.onChange();
    },
    /** All that can be moved, oldest first; they leave this queue. */
    takeAll(): StoredMessage[] {
      const free = messages.filter((message) => !inFlight(message));
      messages = messages.filter(inFlight);
      return free;
    },
    /** When the next hidden message shows by itself; Infinity if none does. */
    nextVisibleAtMs(): number {
      return Math.min(
        ...messages.map((m) => m.visibleAtMs).filter((at) => at > clock.now()),
        Number.POSITIVE_INFINITY,
      );
    },
    counts() {
      const flying = messages.filter(inFlight).length;
      const delayed = messages.filter((m) => !inFlight(m) && m.visibleAtMs > clock.now()).length;
      return { visible: messages.length - flying - delayed, flying, delayed };
    },
  };
}
