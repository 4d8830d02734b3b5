// A typed message never vanishes, whatever the browser's storage does: a table of troubles, the same story for each.
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserNote, chromiumPath, launchBrowser, openPage } from './browser.ts';
import { createFakeApi, type FakeApi } from './fake-api.ts';

/** What is done to storage before the page's own scripts run, or once it stands. */
const TROUBLES: Record<string, { before?: string; after?: string }> = {
  'full from the start': {
    before: `if (location.protocol !== 'about:') {
      for (let size = 1 << 20, i = 0; size >= 1; )
        try { localStorage.setItem('other-app.' + i++, 'x'.repeat(size)); } catch { size >>= 1; }
    }`,
  },
  'full while the page stands': {
    after: `for (let size = 1 << 20, i = 0; size >= 1; )
      try { localStorage.setItem('other-app.' + i++, 'x'.repeat(size)); } catch { size >>= 1; }`,
  },
  forbidden: {
    before: `for (const name of ['localStorage', 'sessionStorage'])
      Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError'); } });`,
  },
  absent: {
    before: `for (const name of ['localStorage', 'sessionStorage'])
      Object.defineProperty(window, name, { value: null });`,
  },
  'of size zero (an old private mode)': {
    before: `Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };`,
  },
  'without the means to talk to other tabs': { before: 'delete window.BroadcastChannel;' },
};

describe.skipIf(!chromiumPath)(`storage trouble on the chat page${browserNote}`, () => {
  let browser: Browser;
  let api: FakeApi;

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    api = await createFakeApi();
  });
  afterEach(() => api.close());

  async function opened(trouble: { before?: string; after?: string }) {
    const page = await openPage(browser, 'about:blank');
    if (trouble.before) await page.addInitScript(trouble.before);
    await page.goto(api.url);
    await page.getByText('Chats you begin are kept here.').waitFor();
    if (trouble.after) await page.evaluate(trouble.after);
    return page;
  }
  const say = async (page: Page, text: string) => {
    await page.fill('#message', text);
    await page.press('#message', 'Enter');
  };

  test.each(Object.entries(TROUBLES))(
    'storage is %s: all that is typed arrives, once',
    async (name, trouble) => {
      const page = await opened(trouble);
      await say(page, 'first words');
      (await api.turnOf('first words')).finish({ text: 'Yes.' });
      await page.locator('.prose', { hasText: 'Yes.' }).waitFor();
      // With the line down: it waits on the page, and what is typed next stays in the box.
      await page.route('**/messages', (route) => route.abort('connectionrefused'));
      await say(page, 'typed for ten minutes');
      await page.locator('.turn').nth(1).getByText('Sending').waitFor();
      await page.fill('#message', 'half a thought');
      if (!name.startsWith('without')) await page.locator('#fragile').waitFor();
      await page.evaluate("location.hash = '#/'");
      await page.locator('#empty').waitFor();
      await page.getByRole('link', { name: /first words/ }).click();
      await page.locator('.turn').nth(1).getByText('typed for ten minutes').waitFor();
      expect(await page.inputValue('#message')).toBe('half a thought');
      await page.unroute('**/messages');
      await page.evaluate("dispatchEvent(new Event('online'))");
      await api.turnOf('typed for ten minutes');
      await page.locator('.turn').nth(1).getByText('Queued').waitFor();
      await page.fill('#message', '');
      await page.locator('#fragile').waitFor({ state: 'hidden' });
      expect(api.turns.map(({ text }) => text)).toEqual(['first words', 'typed for ten minutes']);
      await page.getByRole('button', { name: /Use (dark|light) colours/ }).click();
      await page.getByRole('button', { name: 'New session in this chat (/new)' }).click();
      await page.locator('.ask-note', { hasText: 'Begins with your next message.' }).waitFor();
      expect(page.defects).toEqual([]);
      await page.context().close();
    },
  );

  test('leaving with words that only memory holds is asked about; without such words it is not', async () => {
    const page = await opened(TROUBLES.forbidden!);
    const asked: string[] = [];
    page.on('dialog', (dialog) => {
      asked.push(dialog.type());
      void dialog.accept();
    });
    await page.locator('#message').pressSequentially('kept nowhere');
    await page.reload();
    expect(asked).toEqual(['beforeunload']);
    await page.locator('#message').click();
    await page.reload();
    expect(asked).toHaveLength(1);
    await page.context().close();
  });

  test('a server with a key can be used where nothing is stored', async () => {
    const locked = await createFakeApi({ key: 'right' });
    locked.add('web-locked', 'Behind a key').finish({ text: 'Hi.' });
    const page = await openPage(browser, 'about:blank');
    await page.addInitScript(TROUBLES.forbidden!.before!);
    await page.goto(locked.url);
    await page.getByLabel('Key or address').fill('right');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('link', { name: /Behind a key/ }).waitFor();
    await page.context().close();
    await locked.close();
  });
});
