// When no compaction ran in time and a checkpoint would need a ninth pack, the checkpoint merges the newest packs
// itself: a generation never has more than MAX_PACKS. The merge replaces the pack that the checkpoint has just written,
// so that pack is garbage at once.
import { makeBaseline } from './baseline.ts';
import type { CheckpointInput, CheckpointOutput } from './checkpoint.ts';
import { mergedList, mergeStart, mergeTail } from './compact.ts';
import { type DeadPack, MAX_PACKS } from './record.ts';

export async function mergeOverflow(
  input: CheckpointInput,
  output: CheckpointOutput,
): Promise<{ readonly output: CheckpointOutput; readonly dead: readonly DeadPack[] }> {
  const { packs } = output.stored;
  const start = packs.length > MAX_PACKS ? mergeStart(packs) : null;
  if (start === null) return { output, dead: [] };
  const { objects, place, progress } = input;
  const spillDirectory = input.directory.root;
  const merged = await mergeTail({ objects, place, packs, start, spillDirectory, progress });
  const stored = { ...output.stored, packs: mergedList(packs, start, merged.entry) };
  const gone = new Set(packs.slice(start).map((pack) => pack.name));
  const { table, stamps } = output.baseline;
  const chunks = new Map([...output.baseline.chunks].filter(([, where]) => !gone.has(where.pack)));
  for (const { hash, bytes } of merged.chunks) chunks.set(hash, { pack: merged.entry.name, bytes });
  const baseline = { ...makeBaseline({ table, chunks }, stored, new Map(), 0), stamps };
  const bytesWritten = output.bytesWritten + merged.entry.bytes;
  return { output: { ...output, stored, baseline, bytesWritten }, dead: [packs[packs.length - 1]!] };
}
