// The packs that a host was given URLs for: each may be read, or written once, and nothing else. The store sees the
// worker's signature; the host has no right of its own.
import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.ts';
import { Gone, Refused } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/ports/objects.ts';
import type { PresignedWrite } from './invocation.ts';

const TRIES = 4;
const BACKOFF = { firstMs: 200, maxMs: 2_000, jitter: 0.5 };
/** Without an answer. A pack of some hundred megabytes takes its time. */
const ANSWER_MS = 120_000;

export interface PresignedObjects extends Pick<ObjectStore, 'put' | 'stream'> {
  allow(urls: {
    readonly reads?: Readonly<Record<string, string>> | undefined;
    readonly writes?: Readonly<Record<string, PresignedWrite>> | undefined;
  }): void;
  mayRead(name: string): boolean;
  /** URLs are good for one invocation. */
  forget(): void;
}

export function createPresignedObjects(): PresignedObjects {
  const reads = new Map<string, string>();
  const writes = new Map<string, PresignedWrite>();

  return {
    allow(urls) {
      for (const [name, url] of Object.entries(urls.reads ?? {})) reads.set(name, url);
      for (const [name, write] of Object.entries(urls.writes ?? {})) writes.set(name, write);
    },
    mayRead: (name) => reads.has(name),
    forget() {
      reads.clear();
      writes.clear();
    },

    async put(key, body) {
      const write = writes.get(nameOf(key));
      if (write === undefined) throw new Refused('not-stored', 'There is no place for this pack.');
      const content =
        'file' in body
          ? (await openAsBlob(body.file)).slice(0, body.bytes)
          : new Blob([new Uint8Array(body)]);
      const { url, headers } = write;
      const response = await answered(url, { method: 'PUT', headers, body: content });
      await response.body?.cancel();
      if (response.ok) return 'created';
      if (response.status === 412) return 'exists';
      throw new Refused('not-stored', `The pack was not stored (HTTP ${response.status}).`);
    },

    async *stream(key) {
      const url = reads.get(nameOf(key));
      if (url === undefined) throw new Gone('no-object', 'There is no such pack.');
      const response = await answered(url, {});
      if (response.status === 404) throw new Gone('no-object', 'There is no such pack.');
      if (!response.ok || !response.body) {
        throw new Refused('not-read', `The pack cannot be read (HTTP ${response.status}).`);
      }
      yield* response.body as unknown as AsyncIterable<Uint8Array>;
    },
  };
}

/** Asks again where the answer is none: no connection, a server's error, two who write at once. */
async function answered(url: string, init: RequestInit): Promise<Response> {
  for (let tries = 1; ; tries++) {
    let response: Response | null = null;
    try {
      response = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_MS) });
    } catch (cause) {
      if (tries === TRIES) throw new Refused('no-answer', 'The store gave no answer.', { cause });
    }
    if (response && (tries === TRIES || (response.status < 500 && response.status !== 409))) return response;
    await response?.body?.cancel();
    await sleep(backoffMs(BACKOFF, tries));
  }
}

const nameOf = (key: string): string => basename(key, '.pack');
