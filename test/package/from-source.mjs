// Loaded before a program of the docs: `hybrid-sessions/x` is then this checkout's source, by the package's own list of
// entries. What is really in the package is checked by scripts/check-package.mjs.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const root = new URL('../../', import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

registerHooks({
  resolve(specifier, context, next) {
    const subpath = /^hybrid-sessions(\/.*)?$/.exec(specifier);
    if (subpath) {
      const file = exports[`.${subpath[1] ?? ''}`]?.default;
      if (file === undefined) throw new Error(`The package has no entry ${specifier}.`);
      return next(new URL(file.replace('./dist/', './').replace(/\.js$/, '.ts'), root).href, context);
    }
    // Libraries of the docs' programs are this checkout's.
    if (
      /^[@a-z]/.test(specifier) &&
      !specifier.startsWith('node:') &&
      !context.parentURL?.includes('/node_modules/')
    ) {
      return next(specifier, { ...context, parentURL: root.href });
    }
    return next(specifier, context);
  },
});
