// docs/saas.md and docs/client.md: their programs, as written. They compile under the strictest settings, are short, and do what
// the page says: people are kept apart, nobody who is not signed in gets in.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../src/client/index.ts';
import { type ProgramFolder, programFolder, programsOf } from './doc-program.ts';

const ROOT = join(import.meta.dirname, '../..');
const [express = '', hono = '', next = ''] = programsOf('docs/saas.md', 'ts');
const [client = ''] = programsOf('docs/client.md', 'ts');
const MAX_LINES = 40;

let folder: ProgramFolder;
beforeAll(async () => {
  folder = await programFolder();
});
afterAll(() => folder.remove());

test('they are short, and compile', async () => {
  for (const program of [express, hono, next, client])
    expect(program.trim().split('\n').length).toBeLessThan(MAX_LINES);
  const types = join(folder.path, 'types');
  await mkdir(types);
  await Promise.all(
    Object.entries({ express, hono, next, client }).map(([name, code]) =>
      writeFile(join(types, `${name}.ts`), `${code}\nexport {};\n`),
    ),
  );
  await writeFile(join(types, 'untyped.d.ts'), "declare module 'express';\n");
  const source = (file: string) => [join(ROOT, 'src', file)];
  await writeFile(
    join(types, 'tsconfig.json'),
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: {
        moduleResolution: 'bundler',
        module: 'preserve',
        typeRoots: [join(ROOT, 'node_modules/@types')],
        paths: {
          'hybrid-sessions': source('index.ts'),
          'hybrid-sessions/node': source('node-handler.ts'),
          'hybrid-sessions/client': source('client/index.ts'),
          '@hono/node-server': [join(ROOT, 'node_modules/@hono/node-server')],
          hono: [join(ROOT, 'node_modules/hono')],
        },
      },
      include: ['*.ts'],
      exclude: [],
    }),
  );
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', types], { cwd: types, stdio: 'pipe' });
});

/** Starts a program of the page; the first line that it prints is its address. */
async function start(code: string, data: string): Promise<{ url: string; program: ChildProcess }> {
  const file = join(folder.path, `${data}.mts`);
  await writeFile(file, code.replaceAll("'data'", `'${data}'`));
  const { PATH = '', TMPDIR } = process.env;
  const hook = join(import.meta.dirname, 'from-source.mjs');
  const program = spawn(process.execPath, ['--import', hook, file], {
    cwd: folder.path,
    env: { PATH, HOME: join(folder.path, 'home'), PORT: '0', ...(TMPDIR && { TMPDIR }) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: program.stdout })) return { url: line, program };
  throw new Error('The program ended before it listened.');
}

/** A person's browser: the same cookie, here a header, with every request. */
function browserOf(url: string, user: string) {
  return createClient({
    url: `${url}/assistant`,
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, 'x-user': user } }),
  });
}

async function servesTwoPeople(url: string): Promise<void> {
  const [ann, bob] = [browserOf(url, 'ann'), browserOf(url, 'bob')];
  await ann.send('main', 'run: echo of-ann > note.txt');
  await bob.send('main', 'run: echo of-bob > note.txt');
  expect((await ann.send('main', 'run: cat note.txt')).reply.text).toContain('of-ann');
  expect((await bob.chat('main')).turns.map(({ text }) => text)).toEqual(['run: echo of-bob > note.txt']);
  expect((await fetch(`${url}/assistant/v1/chats`)).status).toBe(401);
}

const NEXT_SERVER = `
import { serve } from '@hono/node-server';
serve({ fetch: handle, port: 0, hostname: '127.0.0.1' }, ({ port }) => console.log(\`http://127.0.0.1:\${port}\`));
`;

describe.each([
  ['Express', express],
  ['Hono', hono],
  ['Next.js', next + NEXT_SERVER],
])('%s', (name, code) => {
  test('serves each person their own assistant, and nobody who is not signed in', async () => {
    const { url, program } = await start(code, `data-${name.toLowerCase().replace('.', '')}`);
    const ended = new Promise((resolve) => program.once('exit', resolve));
    try {
      await servesTwoPeople(url);
      if (name !== 'Next.js') expect(await (await fetch(url)).text()).toContain('<hybrid-chat');
      if (name === 'Express') {
        const env = { AGENT_URL: `${url}/assistant`, AGENT_KEY: 'none' };
        const said = client.replace(
          'token:',
          `fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, 'x-user': 'eve' } }), token:`,
        );
        expect(await folder.run(said, { env })).toMatch(/hello from the client[\s\S]*\nok\nok 1\n$/);
      }
    } finally {
      program.kill('SIGTERM');
      await ended;
    }
  });
});
