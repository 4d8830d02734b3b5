// Bundles the programs that are started as processes of their own: a worker, and an agent host. Each then reads a few
// files instead of some hundred, which is most of what its start costs. The Agent SDK stays outside: it finds its native
// program beside itself.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { BUNDLE, ONE_LANGUAGE } from './functions.mjs';

const root = join(import.meta.dirname, '..');

/** `more`: other programs by name, which then find these ones beside them. */
export async function buildPrograms(folder, more = {}) {
  rmSync(folder, { recursive: true, force: true });
  await build({
    ...BUNDLE,
    // Somebody's stack trace should name what is in it.
    minify: false,
    plugins: [ONE_LANGUAGE],
    entryPoints: {
      'agent-host': join(root, 'src/host/host-program.ts'),
      worker: join(root, 'src/local/worker-program.ts'),
      ...more,
    },
    outdir: folder,
    absWorkingDir: root,
    splitting: true,
    chunkNames: 'part-[hash]',
    external: [...BUNDLE.external, '@anthropic-ai/claude-agent-sdk'],
  });
}
