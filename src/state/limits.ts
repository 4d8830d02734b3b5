// The limits on each root of a session's files, and what the user is told when one exceeds them: its size, the limit, and
// the largest entries. The config folder has the same as the workspace, for an agent can write there, too. Sizes are those that `ls -l` shows, so holes count.
import { Invalid } from '../core/errors.ts';
import type { StateLimits } from '../core/ports/execution.ts';
import { ROOTS, type RootName, shown } from './paths.ts';
import type { Entry } from './table.ts';

/** The part of a scanned entry that limits need. */
type Sized =
  | { readonly kind: 'file'; readonly bytes: number }
  | { readonly kind: Exclude<Entry['kind'], 'file'> };

/** Throws Invalid('workspace-too-large'), with an advice fit for the person in the chat. */
export function checkLimits(entries: ReadonlyMap<string, Sized>, limits: StateLimits): void {
  for (const root of ROOTS) checkRoot(root, entries, limits);
}

const HOLDER: Readonly<Record<RootName, string>> = {
  workspace: 'The working directory holds',
  config: 'The conversation and what belongs to it take',
};

function checkRoot(root: RootName, entries: ReadonlyMap<string, Sized>, limits: StateLimits): void {
  const prefix = `${root}/`;
  let bytes = 0;
  let files = 0;
  const byTop = new Map<string, { bytes: number; files: number }>();
  for (const [path, entry] of entries) {
    if (!path.startsWith(prefix)) continue;
    const end = path.indexOf('/', prefix.length);
    const top = end === -1 ? path.slice(prefix.length) : path.slice(prefix.length, end);
    const sum = byTop.get(top) ?? { bytes: 0, files: 0 };
    byTop.set(top, sum);
    const size = entry.kind === 'file' ? entry.bytes : 0;
    bytes += size;
    files++;
    sum.bytes += size;
    sum.files++;
  }
  const tooManyFiles = files > limits.maxWorkspaceFiles;
  if (bytes <= limits.maxWorkspaceBytes && !tooManyFiles) return;
  const overBytes = bytes > limits.maxWorkspaceBytes;
  const largest = [...byTop]
    .sort(([, a], [, b]) => (overBytes ? b.bytes - a.bytes : b.files - a.files))
    .slice(0, 3)
    .map(([name, sum]) => ({ name: shown(name), ...sum }));
  const named = largest
    .map((item) => `${item.name} (${sizeText(item.bytes)}, ${countText(item.files)})`)
    .join(', ');
  throw new Invalid(
    'workspace-too-large',
    `${HOLDER[root]} ${sizeText(bytes)} in ${countText(files)}; ` +
      `${sizeText(limits.maxWorkspaceBytes)} in ${countText(limits.maxWorkspaceFiles)} are allowed.`,
    {
      advice: `Nothing of this turn's files was kept; the state before it is safe. Ask me to work with less, or to delete what is not needed. The largest: ${named}.`,
      data: { bytes, files, maxBytes: limits.maxWorkspaceBytes, maxFiles: limits.maxWorkspaceFiles, largest },
    },
  );
}

function countText(files: number): string {
  return `${files.toLocaleString('en-US')} ${files === 1 ? 'file' : 'files'}`;
}

function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1_000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}
