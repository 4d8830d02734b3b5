// Bundles the widget: one script with all that it needs, for a script tag on any page.
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');

export async function buildWidget(folder) {
  await build({
    entryPoints: { 'hybrid-chat': join(root, 'widget/hybrid-chat.ts') },
    outdir: folder,
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: 'iife',
    target: ['es2022'],
    legalComments: 'inline',
    logLevel: 'warning',
  });
}
