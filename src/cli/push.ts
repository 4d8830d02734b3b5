// `push`: what became of a pulled session, as its next generation. The lease keeps turns out, the fence judges the write, and
// the files of the newest generation must still be those that were taken or pushed last: whoever came first stays, and the
// other one is told to push as a fork. Repeated after it was cut off, it finds what it did.
import { randomUUID } from 'node:crypto';
import { cp, lstat, mkdir, realpath, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { relocate } from '../agent/relocation.ts';
import { Conflict, Gone, Invalid } from '../core/errors.ts';
import {
  conversationOf,
  forkSessionIdOf,
  type SessionId,
  type SessionKey,
  type TurnId,
  tenantId,
  tenantOf,
} from '../core/ids.ts';
import type { ExecutionDirectory, TurnMark } from '../core/ports.ts';
import type { SessionHead } from '../core/records.ts';
import type { Stores } from '../local/stores.ts';
import { awayOf, broughtBack, contentOf, newestTurnOf } from '../state/away.ts';
import { withAgentSession } from '../state/timeline.ts';
import { noteAct } from './administrator.ts';
import type { CliContext, DataOptions } from './context.ts';
import { holdSession } from './hold-session.ts';
import { otherConversations, placesHere, projectName } from './laptop-places.ts';
import { chatName, httpKey, withStores } from './lookup.ts';
import { claudeFolder, readNote, type TakenNote, takenRoot, writeNote } from './taken-note.ts';
import { bytesText } from './terminal.ts';

export interface PushOptions extends DataOptions {
  /** Name of a new chat that begins with it. */
  readonly fork?: string;
}

/** Where a test may cut it off. */
export type PushPoint = 'staged' | 'noted' | 'saved' | 'written';

/** What `/undo` says that it takes back. */
const MARK_TEXT = 'what was done on a computer';

const FORK_ADVICE = 'Push it as a chat of its own with --fork and a name.';

interface Taken {
  readonly claude: string;
  readonly side: string;
  readonly note: TakenNote;
  readonly at: (point: PushPoint) => void;
}

interface Pushed {
  readonly head: SessionHead;
  readonly bytesWritten: number;
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
}

export async function push(
  context: CliContext,
  dir: string,
  options: PushOptions,
  at: Taken['at'] = () => {},
): Promise<void> {
  const { terminal } = context;
  if (options.fork !== undefined && !/^[A-Za-z0-9._~-]{1,128}$/.test(options.fork)) {
    throw new Invalid('usage', 'A chat name is 1 to 128 characters of A-Z a-z 0-9 . _ ~ -');
  }
  const taken = { ...(await findTaken(context, dir)), at };
  const bar = terminal.progress('push');
  const progress = (p: { doneBytes: number; totalBytes: number }) => bar.update(p.doneBytes, p.totalBytes);
  const where =
    options.aws === undefined && options.data === undefined ? { ...options, ...taken.note.stored } : options;
  await withStores(
    context,
    where as DataOptions,
    async (stores) => {
      const staged = join(taken.side, 'staged');
      try {
        await rm(staged, { recursive: true, force: true });
        const directory = await stage(taken, staged);
        at('staged');
        const { head, bytesWritten, refused } =
          options.fork === undefined
            ? await pushBack(stores, taken, directory)
            : await pushFork(
                stores,
                taken,
                directory,
                httpKey(options.fork, options.tenant ?? taken.note.tenant),
              );
        bar.end();
        const { sessionId: session, generation } = head;
        const chat = chatName(head.sessionKey);
        const act = options.fork === undefined ? 'session-pushed' : 'session-pushed-as-fork';
        await noteAct(context, stores, act, head.tenant, { session, generation });
        for (const { path, reason } of refused) terminal.note(`not taken along: ${path} (${reason})`);
        await warnOfOthers(context, taken);
        const points = (await stores.store.getMapping(head.sessionKey))?.session_id;
        if (points !== session) {
          terminal.note('The chat has begun a new session since: `/undo new` there goes back to this one.');
        }
        if (options.json) terminal.json({ pushed: session, chat, generation, bytes: bytesWritten });
        else
          terminal.line(
            `Pushed to ${chat} as generation ${generation} (${bytesText(bytesWritten)} written).`,
          );
      } finally {
        bar.end();
        await rm(staged, { recursive: true, force: true });
      }
    },
    { progress },
  );
}

async function findTaken(context: CliContext, dir: string): Promise<Omit<Taken, 'at'>> {
  const claude = resolve(claudeFolder(context));
  const wanted = resolve(context.cwd, dir);
  const folder = await realpath(wanted).catch(() => null);
  if (folder === null) throw new Gone('no-folder', `There is no folder ${wanted}.`);
  const side = join(takenRoot(claude), projectName(folder));
  const note = await readNote(side);
  if (note?.folder === folder && note.status !== 'restoring') return { claude, side, note };
  throw new Invalid('not-pulled', `No session was pulled to ${folder}, as far as ${claude} knows.`, {
    advice: 'Name the folder that `pull` made, where it made it, with the same CLAUDE_CONFIG_DIR.',
  });
}

/** The session's configuration as it is stored, put together from where this computer has its parts. */
async function stage({ claude, side, note }: Taken, root: string): Promise<ExecutionDirectory> {
  const config = join(root, 'config');
  const { agent_session_id, folder } = note;
  const shared = note.aside ? join(side, 'aside') : claude;
  await mkdir(config, { recursive: true, mode: 0o700 });
  await copy(join(side, 'rest'), config);
  let hasTranscript = false;
  for (const place of await placesHere(claude, shared, agent_session_id, projectName(folder))) {
    const to = join(config, place.stored);
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await copy(join(place.shared ? shared : claude, place.here), to);
    if (place.here.endsWith(`${agent_session_id}.jsonl`)) hasTranscript = true;
  }
  if (!hasTranscript) {
    throw new Gone('no-transcript', `The conversation ${agent_session_id} is not in ${claude} any more.`, {
      advice:
        'The CLI removes old ones after some time. Nothing was pushed; the stored session is as it was.',
    });
  }
  const directory = { root, config, workspace: folder };
  // The next turn is told that the directory moved from here to there.
  await relocate(directory);
  return directory;
}

async function copy(from: string, to: string): Promise<void> {
  if ((await lstat(from).catch(() => null)) === null) return;
  await cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
}

/** The next generation of the session that was taken. */
async function pushBack(stores: Stores, taken: Taken, directory: ExecutionDirectory): Promise<Pushed> {
  const tenant = tenantId(taken.note.tenant);
  const sessionId = taken.note.session_id as SessionId;
  const { store } = stores;
  if (!(await store.getHead(tenant, sessionId))) {
    throw new Gone('unknown-session', 'The session was erased, or was not used for too long.', {
      advice: FORK_ADVICE,
    });
  }
  return await holdSession(store, { tenant, sessionId }, async (lease, head) => {
    requireBase(head, taken.note);
    // What is there is ours: said at once, so that a push cut off behind this one knows it, too.
    const mark = await beginPush({ ...taken, note: { ...taken.note, content: contentOf(head) } });
    const generation = head.generation + 1;
    const { fence } = lease;
    const { state, ...saved } = await save(stores, { ...head, fence }, generation, directory, mark);
    taken.at('saved');
    await store.advance({ lease, baseGeneration: head.generation, generation, state });
    taken.at('written');
    const pushed = { ...head, generation, state };
    await endPush(taken, pushed);
    return { head: pushed, ...saved };
  });
}

/** Conflict('stale-push') unless the files there are those that this computer had last. */
function requireBase(head: SessionHead, note: TakenNote): void {
  const away = awayOf(head);
  if (away && away.id !== note.id) {
    throw new Conflict('stale-push', 'The session was pulled once more, from somewhere else.', {
      advice: FORK_ADVICE,
    });
  }
  const isSame = contentOf(head) === note.content;
  if (isSame || (note.push_id !== null && newestTurnOf(head) === note.push_id)) return;
  const turns = `the chat is at generation ${head.generation}, this was taken at ${note.generation}`;
  throw new Conflict('stale-push', `The chat went on meanwhile: ${turns}.`, { advice: FORK_ADVICE });
}

/** A session of its own in a new chat. Its id is the same when it is pushed again. */
async function pushFork(
  stores: Stores,
  taken: Taken,
  directory: ExecutionDirectory,
  sessionKey: SessionKey,
): Promise<Pushed> {
  const { store, retentionSec } = stores;
  const { note } = taken;
  const { tenant } = conversationOf(sessionKey);
  const sessionId = forkSessionIdOf(`${note.id} ${sessionKey}` as TurnId);
  const mapping = await store.getMapping(sessionKey);
  if (mapping && mapping.session_id !== sessionId) {
    throw new Conflict('chat-exists', `The chat ${chatName(sessionKey)} is here already.`, {
      advice: 'Give the fork another name.',
    });
  }
  const forked: Taken = {
    ...taken,
    note: { ...note, tenant, session_id: sessionId, chat: chatName(sessionKey) },
  };
  if (mapping) return await pushBack(stores, forked, directory);
  const now = Date.now();
  const fresh: SessionHead = {
    tenant: tenantOf(sessionKey),
    sessionId,
    sessionKey,
    generation: 0,
    fence: 0,
    state: null,
    createdAtMs: now,
    updatedAtMs: now,
    expiresAtSec: Math.floor(now / 1000) + retentionSec,
  };
  const mark = await beginPush(taken);
  const generation = note.generation + 1;
  const saved = await save(stores, fresh, generation, directory, mark);
  taken.at('saved');
  const state = withAgentSession(saved.state, note.agent_session_id as SessionId);
  await store.adopt({ sessionKey, sessionId, generation, state, retentionSec });
  taken.at('written');
  await letGoOn(stores, note);
  const head = { ...fresh, generation, state };
  await endPush(forked, head);
  return { head, bytesWritten: saved.bytesWritten, refused: saved.refused };
}

/** The session it was taken from waits for nothing any more. */
async function letGoOn({ store }: Stores, note: TakenNote): Promise<void> {
  const tenant = tenantId(note.tenant);
  const sessionId = note.session_id as SessionId;
  const isOurs = (head: SessionHead | null) => head !== null && awayOf(head)?.id === note.id;
  if (!isOurs(await store.getHead(tenant, sessionId))) return;
  await holdSession(store, { tenant, sessionId }, async (lease, head) => {
    const { generation, state } = head;
    if (!isOurs(head) || state === null) return;
    await store.advance({ lease, baseGeneration: generation, generation, state: broughtBack(state) });
  });
}

async function save(
  { state: sessions }: Stores,
  head: SessionHead,
  generation: number,
  directory: ExecutionDirectory,
  turn: TurnMark,
) {
  const { fence } = head;
  const saved = await sessions.checkpoint({ head, generation, fence, baseline: null, directory, turn });
  return { state: broughtBack(saved.state), bytesWritten: saved.bytesWritten, refused: saved.refused };
}

/** Noted before anything is written there: whoever comes again knows what is its own. */
async function beginPush({ side, note, at }: Taken): Promise<TurnMark> {
  const id = `turn_${randomUUID().replaceAll('-', '')}` as TurnId;
  await writeNote(side, { ...note, push_id: id });
  at('noted');
  return { id, text: MARK_TEXT };
}

async function endPush({ side, note }: Taken, head: SessionHead): Promise<void> {
  const { generation } = head;
  await writeNote(side, {
    ...note,
    generation,
    content: contentOf(head),
    push_id: newestTurnOf(head),
    status: 'back',
    pushed_at: new Date().toISOString(),
  });
}

async function warnOfOthers({ terminal }: CliContext, { claude, note }: Taken): Promise<void> {
  const others = await otherConversations(claude, note.agent_session_id, projectName(note.folder));
  if (others.length === 0) return;
  terminal.note(`Other conversations of this folder stay here: ${others.join(', ')}.`);
}
