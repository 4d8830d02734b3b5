// What the state tests share: a session with its own folders and store, a turn loop that commits in memory, and a
// snapshot of a tree that two restores can be compared by.
import { hash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { newSessionId, type SessionKey, type Tenant } from '../../src/core/ids.ts';
import type { ExecutionDirectory, SessionState, TurnMark } from '../../src/core/ports/execution.ts';
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import type { SessionHead } from '../../src/core/records.ts';
import { createSessionState, type SessionStateOptions } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';

const made: string[] = [];

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'state-test-'));
  made.push(path);
  return path;
}

export function freshDirectory(base = temporaryFolder()): ExecutionDirectory {
  const directory = { root: base, config: join(base, 'config'), workspace: join(base, 'workspace') };
  mkdirSync(directory.config);
  mkdirSync(directory.workspace);
  return directory;
}

/** Counts what passes through; `reads` names every object opened. */
interface CountingStore extends ObjectStore {
  readonly reads: string[];
  readonly puts: { key: string; bytes: number }[];
}

function counting(inner: ObjectStore): CountingStore {
  const reads: string[] = [];
  const puts: { key: string; bytes: number }[] = [];
  return {
    reads,
    puts,
    async put(key, body) {
      puts.push({ key, bytes: body instanceof Uint8Array ? body.length : body.bytes });
      return inner.put(key, body);
    },
    get(key, range) {
      reads.push(key);
      return inner.get(key, range);
    },
    stream(key) {
      reads.push(key);
      return inner.stream(key);
    },
    list: (prefix) => inner.list(prefix),
    delete: (keys) => inner.delete(keys),
  };
}

const ROOMY = { maxWorkspaceBytes: 4e9, maxWorkspaceFiles: 100_000 };

export interface TestSession {
  readonly objects: CountingStore;
  readonly state: SessionState;
  head: SessionHead;
  /** Checkpoints the directory as the next generation and moves the head. */
  commit(
    directory: ExecutionDirectory,
    baseline?: unknown,
    turn?: TurnMark,
  ): ReturnType<SessionState['checkpoint']>;
  /** Compacts if due, moves the head, collects. */
  compact(): Promise<boolean>;
  restore(head?: SessionHead): Promise<{ directory: ExecutionDirectory; baseline: unknown }>;
}

export function testSession(options: Partial<SessionStateOptions> = {}): TestSession {
  const objects = counting(options.objects ?? createMemoryObjectStore());
  const state = createSessionState({ limits: ROOMY, ...options, objects });
  let fence = 0;
  const session: TestSession = {
    objects,
    state,
    head: {
      tenant: 'acme' as Tenant,
      sessionId: newSessionId(),
      sessionKey: 'acme/http/bot/chat/-' as SessionKey,
      generation: 0,
      fence: 0,
      state: null,
      createdAtMs: 0,
      updatedAtMs: 0,
      expiresAtSec: 0,
    },
    async commit(directory, baseline = null, turn) {
      const head = session.head;
      const generation = head.generation + 1;
      const result = await state.checkpoint({
        ...{ head, generation, fence: ++fence, baseline, directory },
        ...(turn && { turn }),
      });
      session.head = { ...head, generation, fence, state: result.state };
      return result;
    },
    async compact() {
      const result = await state.compact(session.head, ++fence);
      if (result === null) return false;
      session.head = { ...session.head, state: result.state };
      await state.collect(result.garbage, { shared: result.shared ?? false });
      return true;
    },
    async restore(head = session.head) {
      const directory = freshDirectory();
      const { baseline } = await state.restore(head, directory);
      return { directory, baseline };
    },
  };
  return session;
}

/** Every entry with kind, mode, whole-millisecond time and content; names as latin1 so that any bytes compare. */
export function snapshot(directory: ExecutionDirectory, { times = true } = {}): Record<string, string> {
  const out: Record<string, string> = {};
  const walk = (path: Buffer, shown: string) => {
    for (const name of readdirSync(path, { encoding: 'buffer' })) {
      const child = Buffer.concat([path, Buffer.from('/'), name]);
      const label = `${shown}/${name.toString('latin1')}`;
      const stats = lstatSync(child);
      const time = times ? ` ${Math.floor(stats.mtimeMs + 0.01)}` : '';
      const mode = (stats.mode & 0o777).toString(8);
      if (stats.isSymbolicLink()) {
        const target = readlinkSync(child, { encoding: 'buffer' }).toString('latin1');
        out[label] = `link ${target.replaceAll(directory.root, '<root>')}${time}`;
      } else if (stats.isDirectory()) {
        out[label] = `folder ${mode}${time}`;
        walk(child, label);
      } else out[label] = `file ${mode} ${stats.size} ${hash('sha256', readFileSync(child))}${time}`;
    }
  };
  walk(Buffer.from(directory.config), 'config');
  walk(Buffer.from(directory.workspace), 'workspace');
  return out;
}

/** A seeded generator of numbers in [0, 1): the same tests every time. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function randomBytesOf(random: () => number, count: number): Buffer {
  const bytes = Buffer.allocUnsafe(count);
  for (let i = 0; i + 4 <= count; i += 4) bytes.writeUInt32LE((random() * 4294967296) >>> 0, i);
  for (let i = count & ~3; i < count; i++) bytes[i] = (random() * 256) | 0;
  return bytes;
}
