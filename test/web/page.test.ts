// The page on the real system: server, worker processes, the real Agent SDK, the demo model. What a person would try
// first, in one story per test; how the page copes with trouble is in page-behaviour.test.ts.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { addressOf, COUNT_ON } from '../waiting.ts';
import { browserNote, chromiumPath, launchBrowser, openPage } from './browser.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/hybrid-sessions.mjs', import.meta.url));

describe.skipIf(!chromiumPath)(`the chat page on the real system${browserNote}`, () => {
  let browser: Browser;
  let folder: string;
  let program: ChildProcess;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'page-test-'));
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, PORT: '0', HYBRID_SESSIONS_DIR: join(folder, 'data') };
    program = spawn(process.execPath, [PROGRAM, 'start'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { port } = new URL(await addressOf(program));
    const asked = spawnSync(process.execPath, [PROGRAM, 'address', '--port', port], {
      env,
      encoding: 'utf8',
    });
    url = asked.stdout.trim();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    if (program?.exitCode === null) {
      program.kill('SIGTERM');
      await once(program, 'exit');
    }
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('the address opens it, once for this browser; another browser is asked, and told where the key is', async () => {
    const { origin } = new URL(url);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#key=[\w-]{43}$/);
    const page = await openPage(browser, url);
    await page.locator('#demo-banner').waitFor();
    expect(page.url()).toBe(`${origin}/`);
    await page.reload();
    await page.locator('#demo-banner').waitFor();
    await page.goto('about:blank');
    // A bookmark of the page has no key in it.
    await page.goto(`${origin}/#/`);
    await page.locator('#demo-banner').waitFor();
    expect(page.defects).toEqual([]);
    await page.context().close();

    const other = await openPage(browser, origin);
    await other.getByText('Open the address that hybrid-sessions start prints').waitFor();
    await other.getByLabel('Key or address').fill(url);
    await other.getByRole('button', { name: 'Continue' }).click();
    await other.locator('#demo-banner').waitFor();
    await other.context().close();
  });

  test(`${promise('WHOLE')} a chat is written, reloaded, found in the list and continued, and the agent remembers`, async () => {
    const page = await openPage(browser, url);
    await page.locator('#demo-banner').waitFor();
    await page.getByRole('button', { name: 'Remember that my colour is teal' }).click();
    await page.locator('.turn[data-outcome=ok] .badge-demo').waitFor();
    await page.reload();
    await page.locator('.turn[data-outcome=ok]').waitFor();
    await page.getByRole('link', { name: 'New chat' }).click();
    await page.locator('#empty').waitFor();
    await page.getByRole('link', { name: /Remember that my colour is teal/ }).click();
    await page.locator('.turn[data-outcome=ok]').waitFor();
    await page.fill('#message', 'What do you remember?');
    await page.press('#message', 'Enter');
    await page.locator('.turn[data-outcome=ok]').nth(1).waitFor();
    expect(await page.locator('.turn').nth(1).locator('.reply').textContent()).toContain('teal');
    expect(page.defects).toEqual([]);
    await page.context().close();
  });

  test('a command runs as a tool that the page shows, with its result, after a reload, too', async () => {
    const page = await openPage(browser, url);
    await page.getByRole('button', { name: 'Run: uname -a' }).click();
    await page.locator('.turn[data-outcome=ok]').waitFor();
    await page.locator('.tool[data-state=done]', { hasText: 'Bash' }).waitFor();
    expect(await page.locator('.reply').textContent()).toMatch(/Linux|Darwin/);
    await page.reload();
    await page.locator('.tool[data-state=done] summary', { hasText: 'uname -a' }).click();
    expect(await page.locator('.tool-detail').first().textContent()).toBe('uname -a');
    expect(await page.locator('.tool-detail').nth(1).textContent()).toMatch(/Linux|Darwin/);
    await page.context().close();
  });

  test('a file that is written over is shown as a diff', async () => {
    const page = await openPage(browser, url);
    for (const [n, text] of [
      'Write notes.md: buy milk',
      'Read notes.md',
      'Write notes.md: buy bread',
    ].entries()) {
      await page.fill('#message', text);
      await page.press('#message', 'Enter');
      await page.locator('.turn[data-outcome=ok]').nth(n).waitFor();
    }
    await page.locator('.tool summary', { hasText: 'Write' }).last().click();
    await page.locator('.diff-removed', { hasText: '-buy milk' }).waitFor();
    await page.locator('.diff-added', { hasText: '+buy bread' }).waitFor();
    await page.context().close();
  });

  test('a reply streams, goes on through a reload, and is stopped half way', async () => {
    const page = await openPage(browser, url);
    await page.fill('#message', COUNT_ON);
    await page.press('#message', 'Enter');
    await page.locator('.turn[data-phase=running] .prose', { hasText: '2' }).waitFor();
    await page.reload();
    await page.locator('.turn[data-phase=running] .prose', { hasText: '3' }).waitFor();
    await page.getByRole('button', { name: 'Stop the running turn' }).click();
    await page.locator('.turn[data-outcome=stopped] .badge-stopped').waitFor();
    expect(await page.locator('.reply').textContent()).not.toContain('2500');
    await page.context().close();
  });
});
