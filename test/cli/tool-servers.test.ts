// What `doctor` and `start` say of a tool server that does not start, and `doctor` of a key that is refused.
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { emptyFolder, run, start } from './fixture.ts';

async function folderWithBrokenServer(): Promise<string> {
  const cwd = await emptyFolder();
  await mkdir(join(cwd, 'agent'));
  const files = {
    'system_prompt.md': 'You help.',
    'settings.json': JSON.stringify({
      tools: { allow: ['mcp__broken'] },
      timeLimits: { toolServerStartSec: 5 },
    }),
    'mcp.json': JSON.stringify({ mcpServers: { broken: { command: '/no/such/program' } } }),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, 'agent', name), text);
  return cwd;
}

test('doctor finds the server that does not start and the key that is refused', async () => {
  const cwd = await folderWithBrokenServer();
  const refusing = createServer((_request, response) => response.writeHead(401).end('{}'));
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`;
  const env = { PORT: '0', ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'sk-wrong' };
  const { code, out } = await run(['doctor'], { cwd, env });
  refusing.close();
  expect(code).toBe(3);
  expect(out).toMatch(/✗ tool servers +broken does not start/);
  expect(out).toMatch(/✗ model .*the key was refused/);
  expect(out).not.toContain('sk-wrong');
});

test('start names it, and runs', async () => {
  const cwd = await folderWithBrokenServer();
  const child = start(['start'], { cwd, env: { PORT: '0' } });
  let told = '';
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (piece) => {
      told += piece;
      if (told.includes('broken does not start')) resolve();
    });
    child.once('close', resolve);
  });
  expect(told).toContain('tool server broken does not start');
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});
