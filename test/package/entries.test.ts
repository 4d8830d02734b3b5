// The list of ways into the package: each is there, says so where Node is too old, and links on that Node to say it.
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>;
};

const entries = Object.entries(exports).flatMap(([path, target]) =>
  typeof target === 'string' ? [] : [{ path, target, source: sourceOf(target.default) }],
);

function sourceOf(built: string): string {
  return built.replace('./dist/', '').replace(/\.js$/, '.ts');
}

/** What a file imports when it is loaded: specifier and, where it goes by names, the names. */
function importsOf(file: string): { specifier: string; names: string[] }[] {
  const text = readFileSync(join(root, file), 'utf8').replace(/^\s*(import|export) type [\s\S]*?;$/gm, '');
  const found = text.matchAll(/^(?:import|export)\s+(?:([^'";]*?)\s+from\s+)?'([^']+)';$/gm);
  return [...found].map(([, clause = '', specifier = '']) => {
    const list = /\{([^}]*)\}/.exec(clause)?.[1] ?? '';
    const parts = list.split(',').map((part) => part.trim());
    const names = parts.filter((part) => part !== '' && !part.startsWith('type '));
    return { specifier, names: names.map((name) => name.split(' as ')[0] ?? '') };
  });
}

/** The files of ours that loading an entry loads. */
function reachable(entry: string): string[] {
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { specifier } of importsOf(file)) {
      if (specifier.startsWith('.')) visit(relative(root, join(root, dirname(file), specifier)));
    }
  };
  visit(entry);
  return [...seen];
}

test('no entry is a pattern: what is not listed is nobody else’s business', () => {
  expect(Object.keys(exports).filter((path) => path.includes('*'))).toEqual([]);
  expect(entries.length).toBeGreaterThan(15);
});

describe.each(entries)('$path', ({ target, source }) => {
  test('is there, with its types', () => {
    expect(target.types).toBe(target.default.replace(/\.js$/, '.d.ts'));
    expect(() => readFileSync(join(root, source))).not.toThrow();
  });

  test('links on Node 20: nothing newer is imported by name', () => {
    const newer =
      /^(zstd|createZstd|Zstd|glob|globSync|registerHooks|styleText|parseEnv|getCallSites|mock|snapshot)/;
    const bad = reachable(source).flatMap((file) =>
      importsOf(file)
        .filter(({ specifier }) => specifier.startsWith('node:'))
        .filter(({ specifier, names }) => {
          const plain = specifier.slice('node:'.length);
          return !KNOWN.has(plain) || names.some((name) => newer.test(name));
        })
        .map(({ specifier, names }) => `${file}: ${specifier} ${names.join()}`),
    );
    expect(bad).toEqual([]);
  });
});

// CDK apps run where their authors run them, and this one needs nothing new; nor does the client, which browsers load. Contracts are loaded by vitest only.
const checked = entries.filter(({ path }) => !/^\.\/(cdk|client|testing\/contracts\/.*)$/.test(path));
test.each(checked)('$path looks at the version of Node first', ({ source }) => {
  const first = importsOf(source)[0]?.specifier ?? '';
  expect(join(dirname(source), first)).toBe('src/node-version.ts');
});

/** Modules of Node 20; the ones that came later go by `process.getBuiltinModule`. */
const LATER = ['sqlite', 'sea', 'ffi', 'vfs', 'stream/iter', 'zlib/iter'];
const KNOWN = new Set(builtinModules.filter((name) => !LATER.includes(name.replace('node:', ''))));
