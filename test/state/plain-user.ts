// Run by refusals.test.ts as root: makes a tree with shut files, becomes a plain user, checkpoints and restores it.
import { chmodSync, chownSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionHead } from '../../src/core/records.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory.ts';

const NOBODY = 65_534;
const base = process.argv[2]!;
chownSync(base, NOBODY, NOBODY);
writeFileSync(join(base, 'foreign'), 'of root');
chmodSync(join(base, 'foreign'), 0o600);
process.setgid!(NOBODY);
process.setuid!(NOBODY);

const directory = (name: string) => ({
  root: join(base, name),
  config: join(base, name, 'config'),
  workspace: join(base, name, 'workspace'),
});
const first = directory('first');
mkdirSync(first.config, { recursive: true });
mkdirSync(join(first.workspace, 'shut'), { recursive: true });
writeFileSync(join(first.workspace, 'none'), 'mode 000');
chmodSync(join(first.workspace, 'none'), 0);
writeFileSync(join(first.workspace, 'shut', 'inside'), 'inside');
chmodSync(join(first.workspace, 'shut'), 0);
renameSync(join(base, 'foreign'), join(first.workspace, 'foreign'));

const state = createSessionState({
  objects: createMemoryObjectStore(),
  limits: { maxWorkspaceBytes: 1e6, maxWorkspaceFiles: 100 },
});
const head = { tenant: 'a', sessionId: 's', generation: 0, state: null } as unknown as SessionHead;
const made = await state.checkpoint({ head, generation: 1, fence: 1, baseline: null, directory: first });
const second = directory('second');
mkdirSync(second.root);
const next = { ...head, generation: 1, state: made.state };
const restored = await state.restore(next, second);
const again = await state.checkpoint({
  head: next,
  generation: 2,
  fence: 2,
  baseline: restored.baseline,
  directory: second,
});
for (const path of [first, second]) {
  chmodSync(join(path.workspace, 'shut'), 0o700);
  rmSync(path.root, { recursive: true });
}
process.stdout.write(JSON.stringify({ refused: made.refused, same: again.bytesWritten === 0 }));
