// A session may wake on a machine where its directories have other paths. Its state records the paths that it had. When
// they differ, the shell's working directory and the exported variables are updated. The contents of the session's files
// are never changed.
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import { SHELL_STATE } from './shell-state.ts';
import { writeOwnFile } from './write-own-file.ts';

const path = z.string().startsWith('/').max(4096);
const placesSchema = z.object({ workspace: path, config: path, home: path, temporary: path });
type Places = z.infer<typeof placesSchema>;

export interface Relocation {
  /** The working directories of the session, there and here. */
  readonly from: string;
  readonly to: string;
  /** A path below the old working directory as it is here; any other as it was. */
  here(path: string): string;
}

/** Call it once per turn, when the state is laid in. null when the session is where it was, or new. */
export async function relocate(directory: ExecutionDirectory): Promise<Relocation | null> {
  const note = join(directory.config, '.hybrid', 'places.json');
  const now: Places = {
    workspace: directory.workspace,
    config: directory.config,
    home: join(directory.root, 'home'),
    temporary: join(directory.root, 'tmp'),
  };
  const before = await readPlaces(note);
  if (before && JSON.stringify(before) === JSON.stringify(now)) return null;
  if (before) {
    await rewrite(join(directory.config, SHELL_STATE), (text) => moveVariables(text, before, now));
  }
  // Last: cut off before it, the next turn does the same again.
  await writeOwnFile(note, JSON.stringify(now));
  if (!before || before.workspace === now.workspace) return null;
  const [from, to] = [before.workspace, now.workspace];
  return {
    from,
    to,
    here(old) {
      const below = relative(from, old);
      return below === '..' || below.startsWith('../') ? old : join(to, below);
    },
  };
}

/** What the agent is told: its memory of the conversation is full of the old paths. */
export function relocationNotice({ from, to }: Relocation): string {
  return `Since the last message your working directory has moved to another place: what was below ${from} is now below ${to}. The old paths are gone; use the new ones.`;
}

/** Lines as bash's `%q` writes them (see shell-state.ts): `export NAME=value`, the value bare or in `$'...'`. */
export function moveVariables(text: string, before: Places, now: Places): string {
  // The longest first: one may lie in another.
  const moves = (Object.keys(before) as (keyof Places)[])
    .map((part) => [before[part], now[part]] as const)
    .filter(([from, to]) => from !== to)
    .sort(([a], [b]) => b.length - a.length);
  if (moves.length === 0) return text;
  const move = (value: string, quoted: (path: string) => string) => {
    // In one pass, so that nothing is moved twice. A path begins where no name goes on, and ends likewise.
    const oldPaths = moves.map(([from]) => escapeForPattern(quoted(from))).join('|');
    const pattern = new RegExp(`(?<![\\w./-])(?:${oldPaths})(?![\\w.-])`, 'g');
    const table = new Map(moves.map(([from, to]) => [quoted(from), quoted(to)]));
    return value.replace(pattern, (old) => table.get(old) ?? old);
  };
  return text
    .split('\n')
    .map((line) => {
      const [, name = '', value = ''] = /^(export \w+=)(.*)$/s.exec(line) ?? [];
      if (name === '') return line;
      return name + move(value, value.startsWith("$'") ? quotedInside : quotedBare);
    })
    .join('\n');
}

/** As `%q` writes a path without control characters. */
const quotedBare = (value: string): string => value.replace(/[^\w@%+=:,./\u0080-\uffff-]/g, '\\$&');
const quotedInside = (value: string): string => value.replace(/[\\']/g, '\\$&');
const escapeForPattern = (value: string): string => value.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

async function readPlaces(file: string): Promise<Places | null> {
  try {
    return placesSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return null;
  }
}

async function rewrite(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return;
  const changed = change(text);
  if (changed !== text) await writeOwnFile(file, changed);
}
