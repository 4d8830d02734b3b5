// The Claude CLI as people run it themselves: the real program in a folder of theirs, with a configuration of its own and a
// model that the test scripts.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import type { Ran } from './fixture.ts';

const PACKAGE = `@anthropic-ai/claude-agent-sdk-${process.platform}-${process.arch}`;
const require = createRequire(import.meta.resolve('@anthropic-ai/claude-agent-sdk'));
const PROGRAM = require.resolve(`${PACKAGE}/claude`);

export interface LaptopCli {
  /** CLAUDE_CONFIG_DIR. */
  readonly claude: string;
  readonly home: string;
  readonly modelUrl: string;
}

/** `claude -p` with these arguments. */
export async function claude(
  { claude: config, home, modelUrl }: LaptopCli,
  cwd: string,
  args: readonly string[],
): Promise<Ran> {
  const child = spawn(PROGRAM, ['-p', '--permission-mode', 'acceptEdits', ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      HOME: home,
      CLAUDE_CONFIG_DIR: config,
      CLAUDE_CODE_ENABLE_TASKS: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      ANTHROPIC_BASE_URL: modelUrl,
      ANTHROPIC_API_KEY: 'laptop',
    },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (piece) => {
    out += piece;
  });
  child.stderr.on('data', (piece) => {
    err += piece;
  });
  const code = await new Promise<number | null>((done) => child.once('close', done));
  return { code, out, err };
}
