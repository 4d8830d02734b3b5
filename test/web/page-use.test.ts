// The page under the hand, the keyboard and the screen reader: where the focus goes, what Enter does where fingers type,
// how code and long messages stand, what a tool line opens to, and what axe-core finds.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserNote, chromiumPath, launchBrowser, openPage, type WatchedPage } from './browser.ts';
import { createFakeApi, type FakeApi } from './fake-api.ts';

const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 780 },
  hasTouch: true,
  isMobile: true,
};
const CODE = 'function add(a, b) {\n  const sum = a + b;\n  return sum;\n}';

describe.skipIf(!chromiumPath)(`the chat page in use${browserNote}`, () => {
  let browser: Browser;
  let api: FakeApi;
  let page: WatchedPage;
  let axe: string;

  beforeAll(async () => {
    browser = await launchBrowser();
    axe = await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    api = await createFakeApi();
  });
  afterEach(async () => {
    const { defects } = page;
    await page.context().close();
    await api.close();
    expect(defects).toEqual([]);
  });

  function fill() {
    const old = api.add('web-use', `Please look at this:\n\n${CODE}\n\nDoes it add?`);
    old.tool('1', 'Edit', 'Edit a.js', 'started', { input: JSON.stringify({ file_path: 'a.js' }) });
    old.tool('1', 'Edit', 'Edit a.js', 'done', { result: 'ok', diff: '@@ -1,1 +1,1 @@\n-a\n+b' });
    old.finish({
      text: '# One\n\n### Three\n\n## Two\n\n# One again\n\n> ## quoted\n\n| a |\n| - |\n| b |\n\n```js\nx\n```',
    });
    api.add('web-use', 'line\n'.repeat(60)).finish({ text: 'Long.', outcome: 'failed' });
    api.add('web-other', 'The other chat').finish({ text: 'Other.' });
    return `${api.url}/#/c/web-use`;
  }
  const focused = () => page.evaluate('document.activeElement?.id || document.activeElement?.className');

  async function violations(page: Page) {
    await page.evaluate(axe);
    return page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.html.slice(0, 90)).join(' | ')))`);
  }

  test.each([
    ['desktop, light', { colorScheme: 'light' }],
    ['desktop, dark', { colorScheme: 'dark' }],
    ['phone', PHONE],
  ] as [string, BrowserContextOptions][])(
    'axe finds nothing, open dialogs and tool lines included (%s)',
    async (_, options) => {
      page = await openPage(browser, fill(), { bypassCSP: true, ...options });
      await page.locator('.tool summary').click();
      await page.locator('.diff').waitFor();
      expect(await violations(page)).toEqual([]);
      if (options.isMobile) await page.getByRole('button', { name: 'Open the list of chats' }).tap();
      else await page.getByRole('button', { name: 'Delete chat: The other chat' }).click();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await page.goto(`${api.url}/#/c/nobody`);
      await page.locator('#missing').waitFor();
      expect(await violations(page)).toEqual([]);
    },
  );

  test('headings of a reply stand below the page’s, without gaps, and look as big as their author meant', async () => {
    page = await openPage(browser, fill());
    await page.locator('.tool').waitFor();
    const headings = page.locator('.prose').locator('h1, h2, h3, h4, h5, h6');
    const seen = await headings.evaluateAll((all) => all.map((h) => `${h.tagName} ${h.className}`));
    expect(seen).toEqual(['H3 heading-1', 'H4 heading-3', 'H4 heading-2', 'H3 heading-1', 'H4 heading-2']);
  });

  test('a tool line opens to input and result; an edit to its diff, told by the server or made from its input', async () => {
    const turn = api.add('web-tools', 'Tools');
    const edit = { file_path: 'a.txt', old_string: 'one\ntwo', new_string: 'three' };
    turn.tool('1', 'Bash', 'Bash: ls', 'started', { input: '{"command":"ls -la /","description":"List"}' });
    turn.tool('1', 'Bash', 'Bash: ls', 'done', { result: 'bin\n<b>etc</b>' });
    turn.tool('2', 'Edit', 'Edit a.txt', 'started', { input: JSON.stringify(edit) });
    turn.tool('2', 'Edit', 'Edit a.txt', 'done', {
      result: 'updated',
      diff: '@@ -4,2 +4,1 @@\n same\n-two\n+three',
    });
    turn.tool('3', 'Edit', 'Edit b.txt', 'started', { input: JSON.stringify(edit) });
    turn.tool('3', 'Edit', 'Edit b.txt', 'done', { result: 'updated' });
    turn.tool('4', 'mcp__notes__add', 'notes: add', 'started', { input: '{"text":"x","tags":["a","b"]}' });
    turn.tool('4', 'mcp__notes__add', 'notes: add', 'failed', { result: 'no such note' });
    turn.tool('5', 'Glob', 'Glob *.ts', 'started', { input: 'not json' });
    turn.finish({ text: 'Done.' });
    page = await openPage(browser, `${api.url}/#/c/web-tools`);
    const opened: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const line = page.locator('.tool').nth(n);
      await line.locator('summary').click();
      await line.locator('.tool-detail').first().waitFor();
      const parts = await line.locator('.tool-body > *').allTextContents();
      opened.push(parts.map((part) => part.trimEnd()).join('\n'));
    }
    expect(opened).toEqual([
      'Input\nls -la /\nResult\nbin\n<b>etc</b>',
      'Change\n@@ -4,2 +4,1 @@\n same\n-two\n+three\nResult\nupdated',
      'Change\n-one\n-two\n+three\nResult\nupdated',
      'Input\ntext: x\ntags: [\n  "a",\n  "b"\n]\nError\nno such note',
      'Input\nnot json',
    ]);
    expect((await page.locator('.diff-added').allTextContents()).map((line) => line.trim())).toEqual([
      '+three',
      '+three',
    ]);
  });

  const MESSAGES: [string, string, string[]][] = [
    ['prose', 'Hello there.\nHow are you?', ['P']],
    ['code', CODE, ['PRE']],
    ['prose around code', `Look:\n\n${CODE}\n\nIs it right?`, ['P', 'PRE', 'P']],
    ['code with blank lines', `${CODE}\n\nfunction two() {\n  return 2;\n}`, ['PRE']],
    ['a fence', 'Look:\n```py\nprint(1)\n```\nRight?', ['P', 'PRE', 'P']],
    ['an open fence', 'Look:\n```\nplain words', ['P', 'PRE']],
    [
      'a stack trace',
      'TypeError: x is not a function\n    at run (a.js:1:2)\n    at main (b.js:3:4)',
      ['PRE'],
    ],
    ['a shell session', '$ ls -la\ntotal 0\n$ cat a.txt\n$ pwd', ['PRE']],
    ['a list', '- milk\n- bread\n- butter and jam', ['P']],
    ['a letter', 'Dear all,\n\nthe meeting (on Monday) is moved.\nPlease come.\n\nBest', ['P']],
    ['a fence and nothing else', '```\n```', ['PRE']],
    ['spaces', '  x  ', ['P']],
  ];
  test('messages are shown as they were typed, code in a fixed width', async () => {
    for (const [name, text] of MESSAGES) api.add('web-msg', text).finish({ text: `Ok, ${name}.` });
    page = await openPage(browser, `${api.url}/#/c/web-msg`);
    await page.getByText(`Ok, ${MESSAGES.at(-1)?.[0]}.`).waitFor();
    const messages = page.locator('.ask-text');
    expect(await messages.count()).toBe(MESSAGES.length);
    for (const [index, [name, text, tags]] of MESSAGES.entries()) {
      const parts = messages.nth(index).locator('> *');
      expect(await parts.evaluateAll((all) => all.map((part) => part.tagName)), name).toEqual(tags);
      const shown = (await parts.allTextContents()).join('').replace(/\s/g, '');
      expect(shown, name).toBe(text.replace(/^(```|~~~).*$/gm, '').replace(/\s/g, ''));
    }
    const fonts = await page
      .locator('.ask-code')
      .evaluateAll((all) => all.map((pre) => pre.ownerDocument.defaultView.getComputedStyle(pre).fontFamily));
    expect(fonts).toHaveLength(MESSAGES.flatMap(([, , tags]) => tags).filter((tag) => tag === 'PRE').length);
    for (const font of fonts) expect(font).toContain('monospace');
  });

  test('a long message folds and unfolds by its button', async () => {
    page = await openPage(browser, fill());
    const long = page.locator('.ask', { hasText: 'line' }).last();
    const height = async () => (await long.locator('.ask-text').boundingBox())?.height ?? 0;
    const button = long.getByRole('button', { name: 'Show all (61 lines)' });
    expect(await button.getAttribute('aria-expanded')).toBe('false');
    expect(await height()).toBeLessThan(300);
    await button.click();
    expect(await height()).toBeGreaterThan(900);
    await long.getByRole('button', { name: 'Show less' }).click();
    expect(await height()).toBeLessThan(300);
  });

  test.each([
    ['phone', PHONE, false],
    ['desktop', {}, true],
  ] as [string, BrowserContextOptions, boolean][])('Enter on a %s', async (_, options, sends) => {
    page = await openPage(browser, fill(), options);
    await page.getByText('Long.').waitFor();
    await page.locator('#message').click();
    await page.keyboard.type('one');
    await page.keyboard.press('Enter');
    expect(await page.inputValue('#message')).toBe(sends ? '' : 'one\n');
    expect(await page.getAttribute('#message', 'enterkeyhint')).toBe(sends ? 'send' : 'enter');
    if (sends) return;
    await page.keyboard.type('two');
    await page.getByRole('button', { name: 'Send message' }).tap();
    expect((await api.turnOf('one\ntwo')).chat).toBe('web-use');
  });

  test('the skip link leads to the box and stays in the chat', async () => {
    page = await openPage(browser, fill());
    await page.getByText('Long.').waitFor();
    const before = page.url();
    await page.locator('.skip-link').focus();
    await page.keyboard.press('Enter');
    expect(await focused()).toBe('message');
    expect(page.url()).toBe(before);
    // Any other fragment is no chat either.
    await page.evaluate(`new Promise((changed) => {
      addEventListener('hashchange', changed, { once: true });
      location.hash = '#elsewhere';
    })`);
    expect(await page.locator('.turn').count()).toBe(2);
  });

  const STEPS: [string, (page: Page) => Promise<unknown>, string | RegExp][] = [
    ['loading a chat', async () => {}, 'message'],
    ['opening another', (page) => page.getByRole('link', { name: /The other chat/ }).click(), 'message'],
    [
      'sending by the button',
      async (page) => {
        await page.fill('#message', 'x');
        await page.locator('#send').click();
      },
      'message',
    ],
    [
      'an example',
      async (page) => {
        await page.getByRole('link', { name: 'New chat' }).click();
        await page.getByRole('button', { name: 'Run: uname -a' }).click();
      },
      'message',
    ],
    ['sending again', (page) => page.getByRole('button', { name: 'Send again' }).click(), 'message'],
    [
      'calling off',
      async (page) => {
        await page.fill('#message', 'x');
        await page.press('#message', 'Enter');
        await page.getByRole('button', { name: 'Cancel' }).click();
        await page.getByText('Will be skipped').waitFor();
      },
      'message',
    ],
    [
      'undoing a new session',
      async (page) => {
        await page.locator('#new-session').click();
        await page.locator('#undo-fresh').click();
      },
      'message',
    ],
    [
      'deleting another chat',
      async (page) => {
        await page.getByRole('button', { name: 'Delete chat: The other chat' }).click();
        await page.getByRole('button', { name: 'Delete', exact: true }).click();
        await page.locator('.chat-row').nth(1).waitFor({ state: 'detached' });
      },
      'chat-link',
    ],
    [
      'deleting the open chat',
      async (page) => {
        await page.getByRole('button', { name: /Delete chat: Please/ }).click();
        await page.getByRole('button', { name: 'Delete', exact: true }).click();
        await page.locator('#empty').waitFor();
      },
      'message',
    ],
    [
      'keeping a chat',
      async (page) => {
        await page.getByRole('button', { name: 'Delete chat: The other chat' }).click();
        await page.getByRole('button', { name: 'Keep it' }).click();
      },
      /chat-link|chat-delete/,
    ],
  ];
  test.each(STEPS)('the focus after %s', async (_, step, expected) => {
    page = await openPage(browser, fill());
    await page.getByText('Long.').waitFor();
    await step(page);
    await expect.poll(focused).toMatch(expected);
  });

  test('on a phone the focus never falls to nothing', async () => {
    page = await openPage(browser, fill(), PHONE);
    await page.getByText('Long.').waitFor();
    expect(await focused()).toBe('scroller');
    await page.getByRole('button', { name: 'Open the list of chats' }).tap();
    await page.getByRole('button', { name: 'Delete chat: The other chat' }).tap();
    await page.getByRole('button', { name: 'Delete', exact: true }).tap();
    await expect.poll(focused).toBe('chat-link');
    await page.locator('#new-chat').tap();
    await page.getByRole('button', { name: 'Run: uname -a' }).tap();
    await expect.poll(focused).not.toBe('');
  });
});
