// How commands write to the terminal. There are colours only on a terminal and without NO_COLOR, progress bars only on
// a terminal's standard error, and tables that fit any width. Standard output has results and nothing else. The text
// may come from anybody, so all control characters except those of colours are made harmless.
import { stripVTControlCharacters, styleText } from 'node:util';
import { harmless, harmlessJson } from '../text/harmless.ts';

type Style = Parameters<typeof styleText>[0];

export interface Terminal {
  /** Writes a line of the result. */
  line(text?: string): void;
  /** Writes without a line end. */
  write(text: string): void;
  /** Writes a line to standard error. */
  note(text: string): void;
  json(value: unknown): void;
  style(style: Style, text: string): string;
  table(heads: readonly string[], rows: readonly (readonly string[])[]): void;
  /** Shows a progress bar on standard error; without a terminal it shows nothing. */
  progress(label: string): Progress;
  readonly interactive: boolean;
}

export interface Progress {
  update(done: number, total: number): void;
  end(): void;
}

export interface TerminalStreams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly noColor: boolean;
}

const BAR_CELLS = 24;
const REDRAW_MS = 80;

export function createTerminal({ stdin, stdout, stderr, noColor }: TerminalStreams): Terminal {
  const colours = stdout.isTTY === true && !noColor;
  const line = (text = '') => void stdout.write(`${onlyColours(text)}\n`);
  return {
    line,
    write: (text) => void stdout.write(onlyColours(text)),
    note: (text) => void stderr.write(`${onlyColours(text)}\n`),
    json: (value) => line(harmlessJson(JSON.stringify(value, null, 2))),
    style: (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text),
    interactive: stdin.isTTY === true && stdout.isTTY === true,
    table(heads, rows) {
      const widths = heads.map((head, i) => Math.max(width(head), ...rows.map((row) => width(row[i] ?? ''))));
      const room = stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY;
      const format = (cells: readonly string[]) => {
        const padded = cells.map((cell, i) => (i === cells.length - 1 ? cell : pad(cell, widths[i] ?? 0)));
        return cut(padded.join('  '), room);
      };
      const bold = format(heads);
      line(colours ? styleText('bold', bold, { validateStream: false }) : bold);
      for (const row of rows) line(format(row));
    },
    progress: (label) => createProgress(stderr, label),
  };
}

/** Keeps the colours that callers add and makes every other control character harmless, as a last safeguard. */
function onlyColours(text: string): string {
  return text
    .split(/(\x1b\[[\d;]*m)/)
    .map((part, i) => (i % 2 === 1 ? part : harmless(part)))
    .join('');
}

function createProgress(stderr: NodeJS.WriteStream, label: string): Progress {
  if (!stderr.isTTY) return { update: () => {}, end: () => {} };
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  return {
    update(done, total) {
      const now = performance.now();
      if (now - drawnAtMs < REDRAW_MS) return;
      drawnAtMs = now;
      const share = total === 0 ? 1 : Math.min(done / total, 1);
      const full = Math.round(share * BAR_CELLS);
      const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)}`;
      stderr.write(`\r\x1b[K${harmless(label)} ${bar} ${Math.floor(share * 100)} %`);
    },
    end: () => void stderr.write('\r\x1b[K'),
  };
}

/** How many terminal cells a text takes: wide characters and emoji take two. */
function width(text: string): number {
  let cells = 0;
  for (const char of stripVTControlCharacters(text)) {
    if (/\p{Mark}|\u200d|\ufe0f/u.test(char)) continue;
    cells +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        char,
      )
        ? 2
        : 1;
  }
  return cells;
}

function pad(text: string, cells: number): string {
  return text + ' '.repeat(Math.max(0, cells - width(text)));
}

function cut(text: string, cells: number): string {
  if (width(text) <= cells) return text;
  let out = '';
  let used = 0;
  for (const char of text) {
    used += width(char);
    if (used > cells - 1) break;
    out += char;
  }
  return `${out}…`;
}

export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return unit === 0 ? `${size} B` : `${size.toFixed(1)} ${units[unit]}`;
}

/** `1 session`, `2 sessions`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
