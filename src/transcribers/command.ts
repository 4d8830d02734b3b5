// A transcriber that is a program of this machine, such as whisper.cpp: it is given the recording's path and prints what is
// said. It runs beside the worker, with no variable of the server, in a folder of its own that is removed; it and all that it
// started are ended at the time limit. It reads what a stranger recorded: name a program that is kept up to date.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Invalid, Refused } from '../core/errors.ts';
import type { Transcriber } from '../core/ports/transcriber.ts';

export interface CommandTranscriberOptions {
  /** Program and arguments; `{file}` stands for the recording's path, which comes last where it is left out. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Where programs are looked for. */
  readonly path: string;
}

const MAX_OUTPUT_BYTES = 1024 * 1024;
const MAX_ERROR_BYTES = 4 * 1024;

export function createCommandTranscriber(options: CommandTranscriberOptions): Transcriber {
  const { command, maxBytes } = options;
  return {
    maxBytes,
    async transcribe({ name, read }) {
      const folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-voice-'));
      try {
        // Programs go by the ending; the name is a stranger's.
        const ending = /^\.[a-z0-9]{1,8}$/i.exec(extname(name))?.[0] ?? '';
        const file = join(folder, `recording${ending}`);
        await pipeline(read(), createWriteStream(file, { mode: 0o600 }));
        const all = command.map((part) => part.replaceAll('{file}', file));
        const [program = '', ...rest] = command.some((part) => part.includes('{file}'))
          ? all
          : [...all, file];
        return await outputOf(program, rest, folder, options);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

function outputOf(
  program: string,
  rest: readonly string[],
  folder: string,
  { timeoutMs, path }: CommandTranscriberOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      cwd: folder,
      env: { PATH: path, HOME: folder, TMPDIR: folder, LANG: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that what it started ends with it.
      detached: true,
    });
    let output = '';
    let errors = '';
    let why: Error | null = null;
    const end = (error: Error) => {
      why ??= error;
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    };
    const late = new Invalid(
      'recording-too-long',
      'It is too long for me to listen to. I have it as a file only.',
    );
    const timer = setTimeout(() => end(late), timeoutMs);
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
      if (output.length > MAX_OUTPUT_BYTES)
        end(new Refused('transcriber-fault', 'The transcriber printed too much.'));
    });
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      if (errors.length < MAX_ERROR_BYTES) errors += piece;
    });
    child.on('error', (cause) => {
      why ??= new Refused('transcriber-fault', `The transcriber cannot be started: ${cause.message}.`, {
        cause,
      });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (why) reject(why);
      else if (code === 0) resolve(output);
      else {
        const cause = new Error(errors.trim());
        reject(new Refused('transcriber-fault', `The transcriber ended with ${code}.`, { cause }));
      }
    });
  });
}
