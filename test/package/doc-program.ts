// Programs of README and docs, run as written: taken out of the page, in a folder of their own, on this checkout's
// source. What a page does not say is not set.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** The code blocks of a page in one language, in order. */
export function programsOf(page: string, language: 'js' | 'ts'): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, code]) => code ?? '',
  );
}

export interface ProgramFolder {
  readonly path: string;
  run(code: string, options?: { args?: readonly string[]; env?: Record<string, string> }): Promise<string>;
  remove(): Promise<void>;
}

/** A project of a user's, with an agent folder as `init` makes it. */
export async function programFolder(): Promise<ProgramFolder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-sessions-program-')));
  await cp(join(root, 'examples', 'agent'), join(path, 'agent'), { recursive: true });
  const home = join(path, 'home');
  await mkdir(home);
  return {
    path,
    async run(code, { args = [], env = {} } = {}) {
      const file = join(path, 'program.mts');
      await writeFile(file, code);
      const { PATH = '', TMPDIR } = process.env;
      const hook = join(import.meta.dirname, 'from-source.mjs');
      const { stdout } = await run(process.execPath, ['--import', hook, file, ...args], {
        cwd: path,
        env: { PATH, HOME: home, ...(TMPDIR && { TMPDIR }), ...env },
      });
      return stdout;
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
