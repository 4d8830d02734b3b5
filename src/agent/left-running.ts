// What a turn's commands left running: every process that a command of the shell tool started and that still lives, by the mark
// that the shell wrapper gives its commands. The CLI and its tool servers have no such mark. A process that clears its
// environment is not seen here; it ends with the others all the same. Linux only: elsewhere nothing is found.
import { constants } from 'node:fs';
import { open, readFile, readlink, realpath } from 'node:fs/promises';
import { basename, sep } from 'node:path';
import { type EndedProgram, MAX_LAST_LINES, MAX_PROGRAM_NAME } from '../core/ended-programs.ts';
import { cutTextStart, oneLine } from '../text/cut-text.ts';
import { parentsUnder } from './processes.ts';
import { COMMAND_MARKER } from './shell-state.ts';

const MAX_LINES = 10;
const READ_BYTES = 8_192;

export interface LeftRunning {
  readonly pid: number;
  readonly name: string;
  /** Files of the session that it writes its output to. */
  readonly outputs: readonly string[];
}

/** One entry for each program; what it has started itself belongs to it. */
export async function leftRunning(root: string, shellWrapper: string): Promise<readonly LeftRunning[]> {
  if (process.platform !== 'linux') return [];
  const parents = await parentsUnder(root);
  const found = await Promise.all(
    [...parents].map(async ([pid, parent]) => {
      const [environ, argv] = await Promise.all([readProc(pid, 'environ'), readProc(pid, 'cmdline')]);
      // A subshell is the wrapper's own copy, whose environment is the one that the wrapper began with.
      const isShell = argv.includes(shellWrapper) && argv.some((word) => word.includes(' && eval '));
      const isCommand = isShell || environ.some((line) => line.startsWith(`${COMMAND_MARKER}=`));
      return isCommand ? [{ pid, parent, isShell, argv }] : [];
    }),
  );
  const commands = found.flat();
  const pids = new Set(commands.map(({ pid }) => pid));
  return await Promise.all(
    commands
      .filter(({ parent }) => !pids.has(parent))
      .map(async (top) => {
        const inShell = commands.find(({ parent, isShell }) => parent === top.pid && !isShell);
        const shown = top.isShell ? inShell : top;
        const name = shown ? nameOf(shown.argv) : 'a shell command';
        return { pid: top.pid, name, outputs: await outputsOf(root, shown?.pid ?? top.pid) };
      }),
  );
}

function nameOf([program = '', ...words]: readonly string[]): string {
  return oneLine([basename(program), ...words].join(' '), MAX_PROGRAM_NAME);
}

async function outputsOf(root: string, pid: number): Promise<readonly string[]> {
  const base = (await realpath(root).catch(() => root)) + sep;
  const paths = await Promise.all(
    [1, 2].map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')),
  );
  return [...new Set(paths)].filter((path) => path.startsWith(base));
}

/** With what it wrote last, where it writes into a file of the session. It need not live any more. */
export async function lastWordsOf({ name, outputs }: LeftRunning): Promise<EndedProgram> {
  for (const path of outputs) {
    const text = await endOf(path);
    if (text.trim() !== '') return { name, lastLines: lastLines(text) };
  }
  return { name, lastLines: '' };
}

/** The path is the agent's to choose: no link is followed, and what counts is what was opened. */
async function endOf(path: string): Promise<string> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(() => null);
  if (!file) return '';
  try {
    const info = await file.stat();
    if (!info.isFile() || (await readlink(`/proc/self/fd/${file.fd}`)) !== path) return '';
    const from = Math.max(0, info.size - READ_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, from);
    const text = buffer.toString('utf8', 0, bytesRead);
    // The first line is cut somewhere, perhaps within a character.
    return from === 0 ? text : text.replace(/^[^\n]*\n/, '');
  } finally {
    await file.close();
  }
}

function lastLines(text: string): string {
  // Colours and the like are for terminals.
  const plain = text.replace(/\u001b\[[0-9;?]*[A-Za-z]|[\u0000-\u0008\u000b-\u001f\u007f]/g, '');
  const lines = plain.trimEnd().split('\n');
  return cutTextStart(lines.slice(-MAX_LINES).join('\n'), MAX_LAST_LINES);
}

async function readProc(pid: number, name: 'environ' | 'cmdline'): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  return text.split('\0').filter((part) => part !== '');
}
