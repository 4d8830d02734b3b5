// What the agent may do where there is no wall around it, and what is said of the wall, whichever it is.
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AgentFolder } from '../../src/agent/agent-folder.ts';
import { settingsSchema } from '../../src/agent/agent-folder-schema.ts';
import { sandboxFinding } from '../../src/agent/findings.ts';
import { describePolicy, sandboxNotice } from '../../src/agent/tool-policy.ts';
import type { Sandbox } from '../../src/host/sandbox/sandbox.ts';
import { bash, call, createFixture } from './turn-fixture.ts';

const BUBBLEWRAP: Sandbox = {
  kind: 'bubblewrap',
  command: '/usr/bin/bwrap',
  extra: [],
  ownNetwork: true,
  prlimit: '/usr/bin/prlimit',
  setpriv: null,
};

describe('without a sandbox', () => {
  const sandbox = { kind: 'none', reason: 'bubblewrap (bwrap) is not installed' } as const;
  /** In a chat: whoever has the server's key would be asked (asking.test.ts). */
  const sender = { id: '42', name: 'Ann' };
  const write = (file: string) => call({ name: 'Write', input: { file_path: file, content: 'x' } });

  test('commands and writing tools are refused with a sentence where nobody may allow them; reading is not', async () => {
    const fixture = await createFixture({ sandbox });
    try {
      const file = join(fixture.directory.workspace, 'a.txt');
      await writeFile(file, 'readable');
      const { text } = await fixture.turn(bash('touch planted; echo it-ran'), { sender });
      expect(text).toMatch(/Bash is refused: there is no sandbox here \(bubblewrap .*"sandbox": "off"/s);
      expect(text).not.toContain('it-ran');
      expect(
        (await fixture.turn(write(join(fixture.directory.workspace, 'b.txt')), { sender })).text,
      ).toContain('Write is refused');
      expect(await readdir(fixture.directory.workspace)).toEqual(['a.txt']);
      const read = call({ name: 'Read', input: { file_path: file } });
      expect((await fixture.turn(read)).text).toContain('readable');
    } finally {
      await fixture.close();
    }
  });

  test.each([
    ['the folder says so', { sandbox: 'off' as const }, sandbox],
    ['something else is the wall', {}, { ...sandbox, accepted: true }],
  ])('they run where %s', async (_name, settings, choice) => {
    const fixture = await createFixture({ sandbox: choice });
    const folder = { ...fixture.folder, settings: { ...fixture.folder.settings, ...settings } };
    try {
      expect((await fixture.turn(bash('echo it-ran'), { runner: { folder } })).text).toContain('it-ran');
    } finally {
      await fixture.close();
    }
  });

  test('start, page and doctor say what it means', () => {
    const settings = { tools: { allow: ['Read', 'Bash', 'Write'] } };
    const folderWith = (more: object) =>
      ({ settings: settingsSchema.parse({ ...settings, ...more }) }) as AgentFolder;
    const plain = folderWith({});
    expect(describePolicy(plain, sandbox)).toMatch(
      /Bash, Write ask first, or are refused .*; "sandbox": "off" in settings\.json/,
    );
    expect(sandboxNotice(plain, sandbox)).toMatch(
      /no sandbox on this machine, so each call of Bash, Write waits for your permission/,
    );
    expect(sandboxFinding(sandbox, plain.settings)).toMatchObject({
      status: 'warn',
      mend: expect.stringMatching(/refused/),
    });
    const off = folderWith({ sandbox: 'off' });
    expect(sandboxNotice(off, sandbox)).toMatch(/can read and change everything/);
    expect(sandboxNotice(off, BUBBLEWRAP)).toMatch(/can read and change everything/);
    expect(sandboxFinding(BUBBLEWRAP, off.settings)).toMatchObject({ status: 'warn' });
    expect(sandboxNotice(plain, BUBBLEWRAP)).toBeNull();
    expect(sandboxFinding(BUBBLEWRAP, plain.settings)).toEqual({
      name: 'sandbox',
      status: 'ok',
      found: 'bubblewrap',
    });
    const shared = { ...BUBBLEWRAP, ownNetwork: false };
    expect(sandboxFinding(shared, plain.settings)).toMatchObject({ status: 'fail' });
    expect(sandboxFinding(shared, folderWith({ network: 'open' }).settings)).toMatchObject({ status: 'ok' });
    expect(sandboxFinding({ ...BUBBLEWRAP, prlimit: null }, plain.settings)).toMatchObject({
      status: 'warn',
    });
    expect(sandboxNotice(plain, { kind: 'seatbelt' })).toMatch(/Only shell commands/);
  });
});
