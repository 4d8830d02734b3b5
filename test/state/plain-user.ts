// Run by refusals.test.ts as root: checkpoints a tree as root, becomes a plain user who may not read all of it, and
// checkpoints, restores and checkpoints again. Prints what it saw as JSON.
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionHead } from '../../src/core/records.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';

const NOBODY = 65_534;
const base = process.argv[2]!;
const directory = (name: string) => {
  const root = join(base, name);
  mkdirSync(join(root, 'config'), { recursive: true });
  mkdirSync(join(root, 'workspace'));
  for (const path of [root, join(root, 'config'), join(root, 'workspace')]) chownSync(path, NOBODY, NOBODY);
  return { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
};
const first = directory('first');
const second = directory('second');

/** Own files and folders that are shut, and foreign ones. */
for (const [owner, name] of [
  [NOBODY, 'own'],
  [0, 'foreign'],
] as const) {
  const folder = join(first.workspace, `${name}-folder`);
  mkdirSync(folder);
  for (const path of [join(folder, 'inside'), join(first.workspace, name)]) {
    writeFileSync(path, `${name} text`);
    chownSync(path, owner, owner);
    chmodSync(path, 0);
  }
  chownSync(folder, owner, owner);
  chmodSync(folder, 0);
}

const state = createSessionState({
  objects: createMemoryObjectStore(),
  limits: { maxWorkspaceBytes: 1e6, maxWorkspaceFiles: 100 },
});
let head = { tenant: 'a', sessionId: 's', generation: 0, state: null } as unknown as SessionHead;
const checkpoint = async (from: typeof first, baseline: unknown) => {
  const generation = head.generation + 1;
  const result = await state.checkpoint({ head, generation, fence: 1, baseline, directory: from });
  head = { ...head, generation, state: result.state };
  return result;
};
await checkpoint(first, null);
process.setgid!(NOBODY);
process.setuid!(NOBODY);
const asUser = await checkpoint(first, null);
const { baseline } = await state.restore(head, second);
const again = await checkpoint(second, baseline);
chmodSync(join(second.workspace, 'foreign-folder'), 0o700);
chmodSync(join(second.workspace, 'foreign-folder', 'inside'), 0o600);
const text = readFileSync(join(second.workspace, 'foreign-folder', 'inside'), 'utf8');
process.stdout.write(
  JSON.stringify({ refused: asUser.refused, written: [asUser.bytesWritten, again.bytesWritten], text }),
);
