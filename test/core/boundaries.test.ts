// Dependencies point inward: the core names no vendor and reads no environment; heavy parts load only where used.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sessionStoreErrors } from '../../src/stores/rules/errors.ts';

const source = join(import.meta.dirname, '../../src');

function filesOf(folder: string): { path: string; text: string }[] {
  return readdirSync(join(source, folder), { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && e.name.endsWith('.ts'))
    .map((e) => join(e.parentPath, e.name))
    .map((path) => ({ path: path.slice(source.length + 1), text: readFileSync(path, 'utf8') }));
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((m) => m[1] as string);
}

describe('the core', () => {
  const allowed = (specifier: string) => /^(node:crypto|zod|croner|\.{1,2}\/.*)$/.test(specifier);

  test('imports nothing but itself, zod, a hash and a reader of cron patterns', () => {
    const files = filesOf('core');
    expect(files.length).toBeGreaterThan(5);
    const foreign = files.flatMap((f) =>
      importsOf(f.text)
        .filter((s) => !allowed(s) || s.startsWith('../../'))
        .map((s) => `${f.path}: ${s}`),
    );
    expect(foreign).toEqual([]);
  });

  test('stays within src/core, and src/text, which imports nothing', () => {
    const escapes = filesOf('core').flatMap((f) => {
      const depth = f.path.split('/').length - 2;
      return importsOf(f.text)
        .filter((s) => s.startsWith('../') && s.split('../').length - 1 > depth)
        .filter((s) => !/^(?:\.\.\/)+text\//.test(s))
        .map((s) => `${f.path}: ${s}`);
    });
    expect(escapes).toEqual([]);
    expect(filesOf('text').flatMap((f) => importsOf(f.text))).toEqual([]);
  });

  test('goes round in no circle, types included', () => {
    const imports = new Map(
      filesOf('core').map(({ path, text }) => [
        path,
        importsOf(text)
          .filter((s) => s.startsWith('.'))
          .map((s) => join(dirname(path), s)),
      ]),
    );
    const circles: string[] = [];
    const walk = (path: string, way: readonly string[]): void => {
      if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' -> '));
      else for (const next of imports.get(path) ?? []) walk(next, [...way, path]);
    };
    for (const path of imports.keys()) walk(path, []);
    expect([...new Set(circles)]).toEqual([]);
  });
});

describe('libraries', () => {
  const programs = /^(?:local|cli|lambda|cdk)\/|^host\/host-program\.ts$/;

  test('process.env is read only where a program starts', () => {
    const readers = filesOf('.')
      .filter((f) => !programs.test(f.path) && /process\.env\b/.test(f.text))
      .map((f) => f.path);
    expect(readers).toEqual([]);
  });

  test('the rules of the session stores know no store, and nobody but them makes their errors', () => {
    const foreign = filesOf('stores/rules').flatMap((f) =>
      importsOf(f.text).filter((s) => !/^(\.\/|\.\.\/\.\.\/core\/)/.test(s)),
    );
    expect(foreign).toEqual([]);
    const codes = Object.keys(sessionStoreErrors).join('|');
    const own = new RegExp(`new (Refused|Conflict|Invalid|Gone|Corrupt|Ambiguous)\\(\\s*'(${codes})'`);
    const strays = filesOf('stores').filter((f) => own.test(f.text));
    expect(strays.map((f) => f.path)).toEqual([]);
  });

  test('the Agent SDK is imported only by src/agent, the AWS SDK only by AWS adapters and functions', () => {
    const strays = filesOf('.').flatMap((f) =>
      importsOf(f.text)
        .filter(
          (s) =>
            (s.startsWith('@anthropic-ai/') && !/^(agent|sdk-session-store)\//.test(f.path)) ||
            (s.startsWith('@aws-sdk/') &&
              !/^(aws\/|stores\/(dynamodb|s3|ssm|eventbridge)|queues\/sqs|host\/lambda\/|lambda\/|cdk\/)/.test(
                f.path,
              )),
        )
        .map((s) => `${f.path}: ${s}`),
    );
    expect(strays).toEqual([]);
  });
});
