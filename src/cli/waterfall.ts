// A timeline as lines for a terminal: one for each span, with a bar where it lies in the whole.
import type { Span, Timeline } from '../core/timeline.ts';

export interface WaterfallLine {
  readonly label: string;
  readonly time: string;
  readonly bar: string;
}

const NARROWEST_BAR = 20;

/** `columns`: of the terminal. Every bar is at least one cell, so that nothing is lost to sight. */
export function waterfall({ spans, totalMs }: Timeline, columns: number): WaterfallLine[] {
  const labels = spans.map(labelOf);
  const times = spans.map(({ fromMs, toMs }) => msText(toMs - fromMs));
  const [labelWidth, timeWidth] = [widest(labels), widest(times)];
  const cells = Math.max(NARROWEST_BAR, columns - labelWidth - timeWidth - 4);
  const cellMs = Math.max(totalMs, 1) / cells;
  return spans.map(({ fromMs, toMs }, index) => {
    const from = Math.min(cells - 1, Math.floor(fromMs / cellMs));
    const to = Math.min(cells, Math.max(from + 1, Math.round(toMs / cellMs)));
    return {
      label: (labels[index] ?? '').padEnd(labelWidth),
      time: (times[index] ?? '').padStart(timeWidth),
      bar: `${' '.repeat(from)}${'█'.repeat(to - from)}`,
    };
  });
}

/** 842 ms, 4.21 s, 3 min 5 s. */
export function msText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(2)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function labelOf({ kind, name }: Span): string {
  const inner = kind === 'model' || kind === 'tool' ? '  ' : '';
  return `${inner}${kind}${name === undefined ? '' : ` ${name}`}`;
}

const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map((text) => text.length));
