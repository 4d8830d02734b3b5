// `pull`: a session onto the computer of whoever runs it. The working directory becomes a folder of theirs, transcript,
// subagents and tasks go where their own `claude --resume` finds them. Everything is laid first and the session marked
// as away last: cut off before the mark, the chat goes on as if nothing had been, and the next pull clears up.
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Conflict, Gone, Invalid } from '../core/errors.ts';
import { conversationOf } from '../core/ids.ts';
import type { SessionHead } from '../core/records.ts';
import type { Stores } from '../local/stores.ts';
import { awayOf, contentOf, markedAway } from '../state/away.ts';
import { noteAct } from './administrator.ts';
import type { CliContext, DataOptions } from './context.ts';
import { holdSession } from './hold-session.ts';
import { type Place, placesHere, placesOf, projectName } from './laptop-places.ts';
import { chatName, findConversation, storedWhere, tenantOption, withStores } from './lookup.ts';
import { shellWord } from './shell-word.ts';
import { allNotes, claudeFolder, readNote, type TakenNote, takenRoot, writeNote } from './taken-note.ts';
import { bytesText } from './terminal.ts';
import { newFolder } from './write-session.ts';

export interface PullOptions extends DataOptions {
  readonly to?: string;
  /** The chat is not told: it goes on, and so does the copy. */
  readonly chatGoesOn?: boolean;
  /** Although another copy is away. */
  readonly again?: boolean;
  /** Lay files that the user's CLI would obey. */
  readonly trust?: boolean;
}

/** Where a test may cut it off. */
export type PullPoint = 'restored' | 'noted' | 'half-laid' | 'laid' | 'marked';
type At = (point: PullPoint) => void;

/** A turn may come between reading and marking. */
const MAX_TRIES = 3;

/** Files of a working directory from which the CLI takes orders: hooks, permissions, programs to start. */
const OBEYED = ['.mcp.json', join('.claude', 'settings.json'), join('.claude', 'settings.local.json')];

export async function pull(
  context: CliContext,
  chat: string,
  options: PullOptions,
  at: At = () => {},
): Promise<void> {
  const { terminal, cwd } = context;
  const bar = terminal.progress('pull');
  const progress = (p: { doneBytes: number; totalBytes: number }) => bar.update(p.doneBytes, p.totalBytes);
  await withStores(
    context,
    options,
    async (stores) => {
      const { head } = await findConversation(stores.store, chat, tenantOption(options));
      requireTakeable(head, options);
      const wanted = await newFolder(cwd, options.to ?? folderNameFor(head));
      await mkdir(dirname(wanted), { recursive: true });
      const folder = join(await realpath(dirname(wanted)), basename(wanted));
      const laid = await layAndMark(context, stores, head, folder, { ...options, at }).finally(() =>
        bar.end(),
      );
      const { note, bytesRead } = laid;
      const { session_id: session, generation, agent_session_id: agentSession } = note;
      await noteAct(context, stores, 'session-pulled', head.tenant, { session, generation });
      const away = options.chatGoesOn !== true;
      if (options.json) {
        terminal.json({ pulled: session, folder, agent_session_id: agentSession, generation, away });
        return;
      }
      terminal.line(`Pulled ${chatName(head.sessionKey)} to ${folder} (${bytesText(bytesRead)} read).`);
      terminal.line(`Go on here:       cd ${shellWord(folder)} && claude --resume ${agentSession}`);
      terminal.line(`Bring it back:    hybrid-sessions push ${shellWord(folder)}`);
      terminal.note(
        away
          ? 'Until then the chat says that it is away; `/handoff here` goes on there all the same.'
          : 'The chat goes on meanwhile. If something is said there, push this as a chat of its own: --fork.',
      );
    },
    { progress },
  );
}

function requireTakeable(head: SessionHead, { again }: PullOptions): void {
  if (head.generation === 0 || head.state === null) {
    throw new Gone('nothing-saved', `${chatName(head.sessionKey)} has no saved state yet.`);
  }
  const away = awayOf(head);
  if (!away || again) return;
  throw new Conflict('session-away', `The session is away since ${new Date(away.sinceMs).toISOString()}.`, {
    advice: 'Push it from there, or add --again: what is there can then only come back with --fork.',
  });
}

async function layAndMark(
  context: CliContext,
  stores: Stores,
  seen: SessionHead,
  folder: string,
  options: PullOptions & { readonly at: At },
): Promise<{ readonly note: TakenNote; readonly bytesRead: number }> {
  const claude = resolve(claudeFolder(context));
  const project = projectName(folder);
  const side = join(takenRoot(claude), project);
  await clearUnfinished(claude, side, project);
  let head = seen;
  for (let tries = 1; ; tries++) {
    const agentSession = stores.state.agentSessionOf(head);
    const note: TakenNote = {
      format: 1,
      id: randomUUID(),
      folder,
      stored: storedWhere(context, options),
      tenant: conversationOf(head.sessionKey).tenant,
      session_id: head.sessionId,
      agent_session_id: agentSession,
      chat: chatName(head.sessionKey),
      generation: head.generation,
      content: contentOf(head),
      push_id: null,
      status: 'restoring',
      aside: false,
      taken_at: new Date().toISOString(),
      pushed_at: null,
    };
    const { bytesRead } = await lay(stores, head, {
      claude,
      side,
      project,
      note,
      trust: options.trust === true,
      at: options.at,
    });
    try {
      const now = options.chatGoesOn ? head : await mark(stores, head, note.id, options);
      if (now.generation === head.generation) {
        options.at('marked');
        const taken: TakenNote = { ...note, status: 'taken' };
        await writeNote(side, taken);
        return { note: taken, bytesRead };
      }
      head = now;
    } catch (error) {
      await unlay(claude, side, project, note);
      throw error;
    }
    await unlay(claude, side, project, note);
    if (tries < MAX_TRIES) continue;
    throw new Conflict('session-changed', 'Turns of the chat came in between, again and again.', {
      advice: 'Run it again when the chat is quiet.',
    });
  }
}

/** Returns the head as it is now: of another generation, and not marked, when a turn came in between. */
async function mark(
  stores: Stores,
  head: SessionHead,
  id: string,
  options: PullOptions,
): Promise<SessionHead> {
  return await holdSession(stores.store, head, async (lease, now) => {
    requireTakeable(now, options);
    if (now.generation !== head.generation) return now;
    const { generation } = now;
    const state = markedAway(now, { id, sinceMs: Date.now() });
    await stores.store.advance({ lease, baseGeneration: generation, generation, state });
    return { ...now, state };
  });
}

interface Laying {
  readonly claude: string;
  readonly side: string;
  readonly project: string;
  readonly note: TakenNote;
  readonly trust: boolean;
  readonly at: At;
}

async function lay(stores: Stores, head: SessionHead, { claude, side, project, note, trust, at }: Laying) {
  await rm(side, { recursive: true, force: true });
  await mkdir(side, { recursive: true, mode: 0o700 });
  const rest = join(side, 'rest');
  // Beside the folder, so that it gets its name in one step.
  const draft = `${note.folder}.${note.id}.partial`;
  try {
    await writeNote(side, note);
    const directory = { root: side, config: rest, workspace: draft };
    const restored = await stores.state.restore(head, directory);
    at('restored');
    if (!trust) await requireHarmless(draft);
    const places = await placesOf(rest, note.agent_session_id, project);
    await requireTranscript(places, note);
    await setOthersAside(claude, side, note);
    for (const { here } of places) {
      if (await isThere(join(claude, here))) {
        throw new Conflict('exists', `${join(claude, here)} is there already.`, {
          advice: 'It is not from a pull that is known here: move it away, or pull to another folder.',
        });
      }
    }
    // From here on the next pull to this folder knows what to clear up.
    await writeNote(side, { ...note, status: 'laying' });
    at('noted');
    for (const { stored, here } of places) {
      await mkdir(dirname(join(claude, here)), { recursive: true, mode: 0o700 });
      await rename(join(rest, stored), join(claude, here));
      at('half-laid');
    }
    await rename(draft, note.folder);
    at('laid');
    return restored;
  } catch (error) {
    const begun = await readNote(side).catch(() => null);
    if (begun?.status === 'laying') await unlay(claude, side, project, note);
    await rm(side, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Takes back what a pull laid that did not come to its end. */
async function unlay(claude: string, side: string, project: string, note: TakenNote): Promise<void> {
  const places = await placesHere(claude, claude, note.agent_session_id, project);
  for (const { here } of places) await rm(join(claude, here), { recursive: true, force: true });
  await rm(note.folder, { recursive: true, force: true });
  await rm(side, { recursive: true, force: true });
}

/** The folder gets its name last: while it is not there, nobody has worked on what was laid. */
async function clearUnfinished(claude: string, side: string, project: string): Promise<void> {
  const note = await readNote(side);
  if (!note) return;
  if (note.status === 'restoring' || note.status === 'laying') {
    const folder = dirname(note.folder);
    for (const name of await readdir(folder)) {
      if (name === `${basename(note.folder)}.${note.id}.partial`)
        await rm(join(folder, name), { recursive: true, force: true });
    }
    if (note.status === 'laying') await unlay(claude, side, project, note);
    return await rm(side, { recursive: true, force: true });
  }
  const places = await placesHere(claude, claude, note.agent_session_id, project);
  const own = places.filter(({ shared }) => !shared);
  const pushed = note.pushed_at === null ? 0 : Date.parse(note.pushed_at);
  const changed = await Promise.all(
    own.map(async ({ here }) => (await newestTimeMs(join(claude, here))) > pushed),
  );
  if (changed.includes(true)) {
    throw new Conflict(
      'not-pushed',
      `What was said in ${note.folder} was not pushed, and the folder is gone.`,
      {
        advice: `The conversation is still in ${join(claude, 'projects', project)}: pull to a folder of another name.`,
      },
    );
  }
  await setAside(claude, side, note);
  for (const { here } of own) await rm(join(claude, here), { recursive: true, force: true });
}

/** Tasks and file history are named by the conversation only: those of a copy that was pulled before make way. */
async function setOthersAside(claude: string, side: string, { agent_session_id }: TakenNote): Promise<void> {
  for (const other of await allNotes(claude)) {
    if (other.side === side || other.note.agent_session_id !== agent_session_id || other.note.aside) continue;
    if (other.note.status === 'restoring') continue;
    const { folder, status } = other.note;
    if (status !== 'back' && (await isThere(folder))) {
      throw new Conflict('not-pushed', `This conversation is in ${folder} already, and was not pushed.`, {
        advice: `Run: hybrid-sessions push ${shellWord(folder)}, or remove that folder.`,
      });
    }
    await setAside(claude, other.side, other.note);
  }
}

async function setAside(claude: string, side: string, note: TakenNote): Promise<void> {
  if (note.aside) return;
  const places = await placesHere(claude, claude, note.agent_session_id, projectName(note.folder));
  for (const { here, shared } of places) {
    if (!shared) continue;
    await mkdir(dirname(join(side, 'aside', here)), { recursive: true, mode: 0o700 });
    await rename(join(claude, here), join(side, 'aside', here));
  }
  await writeNote(side, { ...note, aside: true });
}

/** The agent wrote the files: what the CLI here would obey is not laid unseen. */
async function requireHarmless(workspace: string): Promise<void> {
  const found: string[] = [];
  for (const name of OBEYED) if (await isThere(join(workspace, name))) found.push(name);
  if (found.length === 0) return;
  throw new Invalid(
    'untrusted',
    `The session holds ${found.join(', ')}: your CLI would do what is in there.`,
    {
      advice: 'Look at it with `sessions export`, then add --trust.',
    },
  );
}

async function requireTranscript(places: readonly Place[], note: TakenNote): Promise<void> {
  if (places.some(({ here }) => basename(here) === `${note.agent_session_id}.jsonl`)) return;
  throw new Gone('no-conversation', 'The session holds no conversation that a CLI could go on with.');
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null)) !== null;
}

function folderNameFor({ sessionKey, sessionId }: SessionHead): string {
  const name = (chatName(sessionKey).split('/').pop() ?? '').replace(/[^\w.-]/g, '-').replace(/^[.-]+/, '');
  return name || `session-${sessionId}`;
}

async function newestTimeMs(path: string): Promise<number> {
  const found = await lstat(path);
  if (!found.isDirectory()) return found.mtimeMs;
  const names = await readdir(path, { recursive: true });
  const times = await Promise.all(names.map(async (name) => (await lstat(join(path, name))).mtimeMs));
  return Math.max(0, ...times);
}
