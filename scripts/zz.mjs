import { build } from 'esbuild';
import { BUNDLE } from './functions.mjs';

for (const minify of [true]) {
  const { metafile } = await build({
    ...BUNDLE,
    keepNames: false,
    entryPoints: ['src/lambda/' + process.argv[2] + '.ts'],
    outdir: '/tmp/lambda-eng/x',
    write: false,
  });
  const o = Object.values(metafile.outputs).find((o) => o.entryPoint);
  console.log(o.bytes);
  const by = {};
  for (const [p, { bytesInOutput: b }] of Object.entries(o.inputs)) {
    const k = /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(p)?.[1] ?? 'src';
    by[k] = (by[k] ?? 0) + b;
  }
  console.log(
    Object.entries(by)
      .sort((a, b) => b[1] - a[1])
      .slice(0, 24)
      .map(([k, v]) => k + ' ' + v)
      .join('\n'),
  );
  const big = Object.entries(o.inputs)
    .sort((a, b) => b[1].bytesInOutput - a[1].bytesInOutput)
    .slice(0, 25)
    .map(([p, v]) => p + ' ' + v.bytesInOutput);
  console.log(big.join('\n'));
}
