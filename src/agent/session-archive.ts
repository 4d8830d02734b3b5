// `/export` and `/debug`: a session as one file for its admins. An export holds what was said and the working directory; a
// diagnosis holds how the conversation is built and what it runs on, without a word of it. Both are made where the session's
// files lie, without the model, and go the way of every file that the agent sends. What looks like a secret is blacked out.
import type { FileHandle } from 'node:fs/promises';
import { lstat, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { Zip, ZipDeflate } from 'fflate';
import type { AgentRun, ExecutionDirectory } from '../core/ports/execution.ts';
import type { AgentFolder } from './agent-folder-schema.ts';
import { makeForPerson, NotSent, openOwn } from './outgoing-files.ts';
import { redactSecrets } from './redact-secrets.ts';
import { agentSessionOf, readTranscript, transcriptPath } from './transcript-file.ts';
import { transcriptShape } from './transcript-shape.ts';

/** The most that chat platforms take, with room for the archive's own lists. */
const MAX_BYTES = 45 * 1024 * 1024;
const MAX_FILES = 20_000;
const PIECE_BYTES = 1024 * 1024;
/** A line of text is blacked out as a whole. */
const MAX_LINE_BYTES = 4 * PIECE_BYTES;

export type ArchiveKind = 'export' | 'debug';

/** Returns what the person reads beside it. */
export async function archiveSession(
  run: Pick<AgentRun, 'directory' | 'sessionId' | 'agentSessionId' | 'request'>,
  kind: ArchiveKind,
  folder: AgentFolder,
): Promise<string> {
  const { directory, sessionId } = run;
  const id = agentSessionOf(run);
  const transcript = (await readTranscript(transcriptPath(directory.config, id))) ?? '';
  const leftOut: string[] = [];
  const name = `${kind === 'export' ? 'session' : 'diagnosis'}-${sessionId.slice(0, 8)}.zip`;
  await makeForPerson(directory.config, { name, mediaType: 'application/zip' }, async (file) => {
    const archive = createArchive(file);
    if (kind === 'debug') {
      await archive.text('debug.txt', factsText(run, folder, await filesIn(directory)));
      await archive.text('transcript-shape.jsonl', transcriptShape(transcript));
    } else {
      await archive.text('conversation.jsonl', redactSecrets(transcript));
      await addWorkspace(archive, directory, leftOut);
      if (leftOut.length > 0) await archive.text('left-out.txt', `${leftOut.join('\n')}\n`);
    }
    await archive.end();
  });
  if (kind === 'debug') {
    return 'How this conversation is built and what it runs on, without a word of what was said, as a file.';
  }
  const missing =
    leftOut.length === 0
      ? ''
      : ` Too large for it, or no plain files: ${leftOut.length}, listed in left-out.txt.`;
  return `This conversation and the files of its working directory, as a file. What looks like a secret is blacked out.${missing}`;
}

interface Archive {
  /** Of what was written so far. */
  readonly bytes: () => number;
  text(name: string, text: string): Promise<void>;
  add(name: string, pieces: AsyncIterable<Uint8Array>): Promise<void>;
  end(): Promise<void>;
}

function createArchive(file: FileHandle): Archive {
  const made: Uint8Array[] = [];
  let failure: Error | null = null;
  let bytes = 0;
  const zip = new Zip((error, data) => {
    failure ??= error;
    made.push(data);
  });

  async function flush(): Promise<void> {
    if (failure) throw failure;
    for (const piece of made.splice(0)) {
      bytes += piece.length;
      await file.writeFile(piece);
    }
  }

  async function add(name: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const entry = new ZipDeflate(name);
    zip.add(entry);
    for await (const piece of pieces) {
      entry.push(piece);
      await flush();
    }
    entry.push(new Uint8Array(0), true);
    await flush();
  }

  return {
    bytes: () => bytes,
    add,
    text: (name, text) => add(name, one(Buffer.from(text))),
    async end() {
      zip.end();
      await flush();
    },
  };
}

async function* one(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield piece;
}

/** The smallest first: one large file does not keep all others out. */
async function addWorkspace(
  archive: Archive,
  directory: ExecutionDirectory,
  leftOut: string[],
): Promise<void> {
  const { workspace } = directory;
  const files = await filesIn(directory);
  leftOut.push(...files.filter(({ bytes }) => bytes === null).map(({ path }) => path));
  const plain = files.flatMap(({ path, bytes }) => (bytes === null ? [] : [{ path, bytes }]));
  for (const { path, bytes } of plain.sort((a, b) => a.bytes - b.bytes || (a.path < b.path ? -1 : 1))) {
    if (archive.bytes() + bytes > MAX_BYTES) {
      leftOut.push(path);
      continue;
    }
    try {
      const { handle } = await openOwn(directory, join(workspace, path));
      try {
        await archive.add(`workspace/${path.split(sep).join('/')}`, redactedPieces(handle));
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (!(error instanceof NotSent)) throw error;
      leftOut.push(path);
    }
  }
}

interface Found {
  readonly path: string;
  /** null: no plain file. */
  readonly bytes: number | null;
}

async function filesIn({ workspace }: ExecutionDirectory): Promise<readonly Found[]> {
  const found: Found[] = [];
  const folders = [workspace];
  for (let folder = folders.pop(); folder !== undefined && found.length < MAX_FILES; folder = folders.pop()) {
    const names = (await readdir(folder).catch((): string[] => [])).sort();
    for (const name of names) {
      const path = join(folder, name);
      const info = await lstat(path).catch(() => null);
      if (info?.isDirectory()) folders.push(path);
      else if (info) found.push({ path: relative(workspace, path), bytes: info.isFile() ? info.size : null });
    }
  }
  return found;
}

/** Text line by line without what looks like a secret; anything else as it is. */
async function* redactedPieces(file: FileHandle): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  let isText: boolean | null = null;
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(PIECE_BYTES), 0, PIECE_BYTES, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const piece = buffer.subarray(0, bytesRead);
    isText ??= !piece.includes(0);
    if (!isText) {
      yield piece;
      continue;
    }
    const all = Buffer.concat([rest, piece]);
    const end = all.lastIndexOf(0x0a) + 1 || (all.length > MAX_LINE_BYTES ? all.length : 0);
    if (end > 0) yield redactedText(all.subarray(0, end));
    rest = all.subarray(end);
  }
  if (rest.length > 0) yield redactedText(rest);
}

/** What is no UTF-8 is left as it is. */
function redactedText(piece: Buffer): Buffer {
  const text = piece.toString('utf8');
  const bytes = Buffer.from(text);
  return bytes.equals(piece) ? Buffer.from(redactSecrets(text)) : piece;
}

function factsText(
  { request, sessionId, directory }: Pick<AgentRun, 'request' | 'sessionId' | 'directory'>,
  { settings, agents, mcpServers, skills }: AgentFolder,
  files: readonly Found[],
): string {
  const bytes = files.reduce((sum, file) => sum + (file.bytes ?? 0), 0);
  const facts: Readonly<Record<string, unknown>> = {
    turn: request.turnId,
    session: sessionId,
    channel: request.conversation.channel,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    model: settings.model ?? 'of the server',
    chatModels: settings.chatModels ?? [],
    sandbox: settings.sandbox,
    network: settings.network,
    limits: settings.limits,
    timeLimits: settings.timeLimits,
    background: settings.background,
    tools: settings.tools,
    toolServers: Object.keys(mcpServers),
    subagents: Object.keys(agents),
    skills: skills.map(({ name }) => name),
    workspace: `${files.length} files, ${bytes} bytes, at ${directory.workspace}`,
  };
  return redactSecrets(
    Object.entries(facts)
      .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}\n`)
      .join(''),
  );
}
