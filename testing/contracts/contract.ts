// What all contract suites share: declaring a case, leaving one out with a reason, building requests. A skip that
// names no case fails, so the list of an adapter's differences cannot go stale.
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { type HybridError, isHybridError } from '../../src/core/errors.ts';
import type { Conversation } from '../../src/core/ids.ts';
import { type TurnRequest, type TurnRequestInput, turnRequest } from '../../src/core/messages.ts';

/** How an adapter differs, and why. `tests` are titles as written in the suite, without the promise ids. */
export interface ContractSkip {
  readonly reason: string;
  readonly tests: readonly string[];
}

/** What a contract suite is declared with: an adapter's name, a fixture with nothing in it, and where the adapter differs. */
export interface Contract<Fixture> {
  readonly name: string;
  create(): Promise<Fixture>;
  readonly skip?: readonly ContractSkip[];
}

/** Ids as people and platforms may make them, each of which must be kept apart from all others. */
export const HOSTILE_IDS: readonly string[] = [
  'a',
  'a#b',
  'a/b',
  'b',
  '~b',
  '',
  ' ',
  '#',
  'ü',
  'A',
  'a\u0000',
  '%',
  '_',
  "'",
  '"',
  'x'.repeat(900),
];

export type Declare = (title: string, run: () => Promise<void>, timeoutMs?: number) => void;

/** Declares cases, leaving out the skipped ones; `finish` adds the case that checks the skips themselves. */
export function cases(skip: readonly ContractSkip[] = []): { it: Declare; finish(): void } {
  const known = new Set<string>();
  return {
    it(title, run, timeoutMs) {
      const plain = title.replace(/^(\[[A-Z-]+\])+\s*/, '');
      known.add(plain);
      const left = skip.find((entry) => entry.tests.includes(plain));
      if (left) test.skip(`${title} (left out: ${left.reason})`, run);
      else test(title, run, timeoutMs);
    },
    finish() {
      test('every case left out exists', () => {
        const unknown = skip.flatMap((entry) => entry.tests).filter((title) => !known.has(title));
        expect(unknown).toEqual([]);
      });
    },
  };
}

/** A part of a fixture that this case is about; an adapter that has none leaves the case out with its reason. */
export function needed<T>(part: T | undefined): T {
  if (part === undefined)
    throw new Error('The fixture lacks what this case needs: add it, or `skip` the case.');
  return part;
}

/** Runs `use` with a fixture that is closed afterwards, whatever happens. */
export async function withFixture<F extends { close(): Promise<void> }>(
  create: () => Promise<F>,
  use: (fixture: F) => Promise<void>,
): Promise<void> {
  const fixture = await create();
  try {
    await use(fixture);
  } finally {
    await fixture.close();
  }
}

/** The error a promise rejects with; fails the test when it does not, or when it is none of our families. */
export async function failure(promise: Promise<unknown>): Promise<HybridError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (isHybridError(error)) return error;
    throw new Error(`An error outside the families escaped: ${String(error)}`, { cause: error });
  }
  throw new Error(`Expected a failure, got ${JSON.stringify(value)}`);
}

// biome-ignore lint/suspicious/noExplicitAny: any constructor of a family will do
export type Family = abstract new (...args: any[]) => HybridError;

/** Asserts family and code of a rejection. */
export async function expectFailure(promise: Promise<unknown>, family: Family, code: string): Promise<void> {
  const error = await failure(promise);
  expect(error).toBeInstanceOf(family);
  expect(error.code).toBe(code);
}

/** A conversation nobody else in the test run uses. */
export function conversation(over: Partial<Conversation> = {}): Conversation {
  return {
    tenant: 'acme',
    channel: 'http',
    bot: 'main',
    chat: `chat-${randomUUID()}`,
    thread: null,
    ...over,
  };
}

let count = 0;

/** A message of that conversation; each call makes another one unless `dedupeId` is given. */
export function message(of: Conversation, over: Partial<TurnRequestInput> = {}): TurnRequest {
  count += 1;
  return turnRequest({
    conversation: of,
    dedupeId: `message-${count}-${randomUUID()}`,
    text: `text ${count}`,
    receivedAtMs: 1_700_000_000_000 + count,
    ...over,
  });
}
