// The same chat in two tabs, and with another program writing to it: both show the same, at once in one browser, soon
// in all others. And a chat that is gone says how it went.
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WAIT_MS } from '../waiting.ts';
import { browserNote, chromiumPath, launchBrowser } from './browser.ts';
import { createFakeApi, type FakeApi } from './fake-api.ts';

/** A page that nobody sees does not look by itself: what it shows it was told at once. */
const UNSEEN = "Object.defineProperty(document, 'visibilityState', { value: 'hidden' })";

describe.skipIf(!chromiumPath)(`one chat in many places${browserNote}`, () => {
  let browser: Browser;
  let api: FakeApi;
  let context: BrowserContext;
  let one: Page;
  let other: Page;
  const defects: string[] = [];

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    defects.length = 0;
    api = await createFakeApi();
    api.add('web-both', 'Begin').finish({ text: 'Yes.' });
    context = await browser.newContext({ reducedMotion: 'reduce' });
    context.setDefaultTimeout(WAIT_MS);
    [one, other] = [await opened(), await opened()];
  });
  afterEach(async () => {
    await context.close();
    await api.close();
    expect(defects).toEqual([]);
  });

  async function opened({ seen = false } = {}) {
    const page = await context.newPage();
    if (!seen) await page.addInitScript(UNSEEN);
    page.on('pageerror', (error) => defects.push(String(error)));
    await page.goto(`${api.url}/#/c/web-both`);
    await page.locator('.prose', { hasText: 'Yes.' }).waitFor();
    return page;
  }
  const say = async (page: Page, text: string) => {
    await page.fill('#message', text);
    await page.press('#message', 'Enter');
    return api.turnOf(text);
  };
  const shown = (page: Page) =>
    page
      .locator('.turn')
      .locator('.ask-text, .tool-summary, .tool-word, .prose, .answer-meta')
      .allTextContents();

  test('what is written in one tab, its tools and its reply stand in the other at once, and only once', async () => {
    const turn = await say(one, 'Do it');
    await other.locator('.turn').nth(1).getByText('Do it').waitFor();
    turn.run();
    turn.tool('1', 'Bash', 'Bash: ls', 'started');
    turn.tool('1', 'Bash', 'Bash: ls', 'done', { result: 'a.txt' });
    turn.say('All **done**.');
    for (const page of [one, other]) await page.locator('.prose strong', { hasText: 'done' }).waitFor();
    turn.finish();
    for (const page of [one, other]) await page.locator('.turn[data-outcome=ok]').nth(1).waitFor();
    // A tab may be told the last of it a moment later than the other one.
    await expect.poll(async () => String(await shown(other)) === String(await shown(one))).toBe(true);
    expect(await one.locator('.turn').count()).toBe(2);
    // Both ways.
    (await say(other, 'And back')).finish({ text: 'Back.' });
    await one.locator('.prose', { hasText: 'Back.' }).waitFor();
    expect(api.turns).toHaveLength(3);
  });

  test('stopping, asking for a new session and taking that back are seen in the other tab', async () => {
    const turn = await say(one, 'Count');
    turn.run();
    await other.locator('.working:visible', { hasText: 'Working' }).waitFor();
    await other.getByRole('button', { name: 'Stop the running turn' }).click();
    await one.locator('.working:visible', { hasText: 'Stopping' }).waitFor();
    turn.finish({ outcome: 'stopped' });
    await one.locator('.badge-stopped').waitFor();
    await one.getByRole('button', { name: 'New session in this chat (/new)' }).click();
    await other.locator('#fresh').getByText('Begins with your next message.').waitFor();
    await other.locator('#undo-fresh').click();
    await one.locator('#fresh').waitFor({ state: 'hidden' });
  });

  test('a message that waits for the line in one tab is in the other, too, and is one turn in the end', async () => {
    await one.route('**/messages', (route) => route.abort('connectionrefused'));
    await one.fill('#message', 'Waits');
    await one.press('#message', 'Enter');
    await other.locator('.turn').nth(1).getByText('Waits').waitFor();
    await one.unroute('**/messages');
    await one.evaluate("dispatchEvent(new Event('online'))");
    (await api.turnOf('Waits')).finish({ text: 'Came through.' });
    for (const page of [one, other]) {
      await page.locator('.prose', { hasText: 'Came through.' }).waitFor();
      await expect.poll(() => page.locator('.turn').count()).toBe(2);
    }
    expect(api.turns).toHaveLength(2);
  });

  test('what another program writes appears without a reload', async () => {
    one = await opened({ seen: true });
    api.add('web-both', 'From a terminal').finish({ text: 'Seen there.' });
    await one.locator('.prose', { hasText: 'Seen there.' }).waitFor();
    expect(await one.locator('.turn').count()).toBe(2);
  });

  test('a chat that is deleted in one tab is gone from the other', async () => {
    await one.getByRole('button', { name: 'Delete chat: Begin' }).click();
    await one.getByRole('button', { name: 'Delete', exact: true }).click();
    for (const page of [one, other]) {
      await page.locator('#empty').waitFor();
      await expect.poll(() => page.locator('.chat-link').count()).toBe(0);
    }
  });

  test('an expired chat is called expired, an unknown one is not; writing begins it again', async () => {
    api.expiresAt = new Date(Date.now() - 60_000).toISOString();
    one = await opened({ seen: true });
    api.turns.length = 0;
    // In the open tab, and after a reload.
    await one.getByRole('heading', { name: 'This chat has expired' }).waitFor();
    await one.reload();
    await one.getByRole('heading', { name: 'This chat has expired' }).waitFor();
    expect(await one.locator('#missing').textContent()).not.toMatch(/deleted|erased/);
    (await say(one, 'Again')).finish({ text: 'Anew.' });
    await one.locator('.prose', { hasText: 'Anew.' }).waitFor();
    await one.goto(`${api.url}/#/c/nobody`);
    await one.getByRole('heading', { name: 'This chat is not here' }).waitFor();
  });
});
