// The Claude CLI as people run it themselves: the real program in a folder of theirs, with a configuration of its own and a
// model that the test scripts.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { expect } from 'vitest';
import type { Answer } from '../../testing/local-system.ts';
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

export interface Journey {
  readonly laptop: LaptopCli;
  readonly say: (text: string) => Promise<Pick<Answer, 'reply'>>;
  /** A command of ours, where the person is. */
  readonly command: (args: readonly string[]) => Promise<Ran>;
}

/** A turn in the chat, one with the CLI here, one in the chat that knows both. */
export async function thereAndBack({ laptop, say, command }: Journey) {
  const said = async (text: string) => (await say(text)).reply;
  const json = async (args: readonly string[]) => {
    const { code, out, err } = await command([...args, '--json']);
    expect(code, err).toBe(0);
    return JSON.parse(out);
  };
  await said('write plan.md: buy milk');
  await said('todo: call Ann');
  const offered = await said('/handoff');
  const [, line = ''] = /^npx hybrid-sessions (pull .*)$/m.exec(offered.text) ?? [];
  const {
    folder: at,
    agent_session_id: id,
    ...pulled
  } = await json([...line.replace(/ --aws .*$/, '').split(' '), '--to', 'my trip']);
  expect(pulled).toMatchObject({ generation: 2, away: true });

  expect(await said('read plan.md')).toMatchObject({ outcome: 'failed', code: 'session-away' });
  expect(await said('/undo')).toMatchObject({ code: 'session-away' });
  expect((await said('/status')).text).toContain("is on somebody's computer since");
  expect((await said('/handoff')).text).not.toContain('npx');

  for (const [text, heard] of [
    ['what do you remember?', 'call Ann'],
    ['write laptop.md: two eggs', 'laptop.md'],
  ] as const) {
    const { code, out, err } = await claude(laptop, at, ['--resume', id, text]);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(heard);
  }

  await json(['push', at]);
  expect((await said('read laptop.md')).text).toContain('two eggs');
  const known = (await said('what do you remember?')).text;
  for (const text of ['buy milk', 'call Ann', 'two eggs']) expect(known).toContain(text);
  return { id: id as string, at: at as string, say: said };
}
