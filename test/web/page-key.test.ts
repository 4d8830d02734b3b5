// The page and its key: taken from the address it is opened with, or asked for in words that say where it is; kept where
// it outlives a reload and nothing else can read it; asked for again when it is refused.
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserNote, chromiumPath, launchBrowser, openPage, type WatchedPage } from './browser.ts';
import { createFakeApi, type FakeApi } from './fake-api.ts';

const KEY = 'right-key-of-43-characters-0123456789-abcdef';

describe.skipIf(!chromiumPath)(`the key of the page${browserNote}`, () => {
  let browser: Browser;
  let api: FakeApi;
  let page: WatchedPage;

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    api = await createFakeApi({ key: KEY });
    api.add('web-locked', 'Behind a key').finish({ text: 'Hi.' });
  });
  afterEach(async () => {
    const { defects } = page;
    await page.context().close();
    await api.close();
    expect(defects).toEqual([]);
  });

  const opened = (where: Page = page) => where.getByRole('link', { name: /Behind a key/ }).waitFor();
  const asked = (where: Page = page) => where.locator('#key-dialog[open]').waitFor();
  /** What the dialog says, as it is seen. */
  const said = async () => {
    const shown = await page.locator('#key-dialog p:not([hidden])').allTextContents();
    return shown.map((text) => text.replace(/\s+/g, ' ').trim());
  };
  const enter = async (text: string, where: Page = page) => {
    await where.getByLabel('Key or address').fill(text);
    await where.getByRole('button', { name: 'Continue' }).click();
  };
  const tab = async (context: BrowserContext, url: string) => {
    const other = await context.newPage();
    await other.goto(url);
    return other;
  };

  test('from the address: nobody is asked, it leaves the address, and other tabs and reloads go on', async () => {
    page = await openPage(browser, `${api.url}/#key=${KEY}`);
    await opened();
    expect(page.url()).toBe(`${api.url}/`);
    expect(await page.locator('dialog[open]').count()).toBe(0);
    await page.reload();
    await opened();
    const second = await tab(page.context(), `${api.url}/#/c/web-locked`);
    await second.getByText('Hi.').waitFor();
    // It is sent as a bearer and in no other way.
    for (const { line, headers } of api.requests) expect(line + (headers.referer ?? '')).not.toContain(KEY);
  });

  test('no cookie holds it: those of one port of a machine are shown to every other port', async () => {
    page = await openPage(browser, `${api.url}/#key=${KEY}`);
    await opened();
    expect(await page.context().cookies()).toEqual([]);
    expect(await page.evaluate('Object.values(sessionStorage).join()')).not.toContain(KEY);
  });

  test('without one the page says what to do, takes a key or the whole address, and refuses a wrong one', async () => {
    page = await openPage(browser, api.url);
    await asked();
    expect(await said()).toEqual([
      expect.stringMatching(
        /^Open the address that hybrid-sessions start prints.* hybrid-sessions address prints it again\.$/,
      ),
    ]);
    await page.keyboard.press('Escape');
    await asked();
    await enter('wrong');
    await page.getByText('That key was not accepted.').waitFor();
    await enter(`  ${api.url}/#key=${KEY}\n`);
    await opened();
    expect(await page.locator('dialog[open]').count()).toBe(0);
  });

  test('with the key a message is sent', async () => {
    page = await openPage(browser, api.url);
    await asked();
    await enter(KEY);
    await opened();
    await page.fill('#message', 'Hello');
    await page.press('#message', 'Enter');
    expect((await api.turnOf('Hello')).kind).toBe('message');
  });

  test('one that is not taken any more is asked for again, with the reason', async () => {
    page = await openPage(browser, `${api.url}/#key=an-old-one`);
    await asked();
    await page.getByText('That key was not accepted.').waitFor();
    expect(await page.evaluate('Object.values(localStorage).join()')).not.toContain('an-old-one');
    await enter(KEY);
    await opened();
  });

  test('a link with a wrong key, from wherever, does not cost the right one', async () => {
    page = await openPage(browser, `${api.url}/#key=${KEY}`);
    await opened();
    await page.goto('about:blank');
    await page.goto(`${api.url}/#key=planted`);
    await opened();
    expect(await page.locator('dialog[open]').count()).toBe(0);
    await page.reload();
    await opened();
  });

  test('opened again where the page is open: the key is taken, and the chat stays', async () => {
    page = await openPage(browser, `${api.url}/#/c/web-locked`);
    await asked();
    await page.evaluate(`location.hash = '#key=${KEY}'`);
    await page.getByText('Hi.').waitFor();
    expect(page.url()).toBe(`${api.url}/#/c/web-locked`);
    expect(await page.locator('dialog[open]').count()).toBe(0);
  });

  test('a tab that waits goes on when another one got it', async () => {
    page = await openPage(browser, api.url);
    await asked();
    const second = await tab(page.context(), `${api.url}/#key=${KEY}`);
    await opened(second);
    await opened();
    expect(await page.locator('dialog[open]').count()).toBe(0);
  });

  test('of a server under another name it is kept in the tab only', async () => {
    const there = 'http://agent.example';
    const context = await browser.newContext();
    const bare = await context.newPage();
    await context.route(`${there}/**`, async (route) => {
      const request = route.request();
      const response = await route.fetch({ url: request.url().replace(there, api.url) });
      await route.fulfill({ response });
    });
    page = Object.assign(bare, { defects: [] });
    await page.goto(there);
    await asked();
    expect(await said()).toEqual([expect.stringContaining('It is kept in this tab until you close it.')]);
    await enter(KEY);
    await opened();
    expect(await page.evaluate('Object.values(localStorage).join()')).not.toContain(KEY);
    await page.reload();
    await opened();
    const second = await tab(context, there);
    await asked(second);
  });
});
