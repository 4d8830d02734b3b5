// `<hybrid-chat>` on a page of another origin, whose content policy allows its script and its server and nothing else; the
// server is the real API behind tokens and a list of origins. The test decides what the agent does and when a line breaks.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildWidget } from '../../scripts/widget.mjs';
import { createApp } from '../../src/api/app.ts';
import { serveWidgetFrom } from '../../src/api/static.ts';
import { browserAccessSchema } from '../../src/core/browser-access.ts';
import type { AgentRun } from '../../src/core/ports.ts';
import { toNodeHandler } from '../../src/node-handler.ts';
import { createCallers } from '../../src/tenants/user-tokens.ts';
import { type ApiFixture, asksFor, createApiFixture, says } from '../api/fixture.ts';
import { browserNote, chromiumPath, launchBrowser, openPage, type WatchedPage } from './browser.ts';

const SECRET = 'a-secret-of-at-least-32-characters';

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const tokenOf = (person: string) =>
  new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('shop')
    .setAudience('assistant')
    .setSubject(person)
    .setExpirationTime('10m')
    .sign(new TextEncoder().encode(SECRET));

describe.skipIf(!chromiumPath)(`the widget in a page of another origin${browserNote}`, () => {
  let browser: Browser;
  let folder: string;
  let axe: string;
  let fixture: ApiFixture;
  let shop: Server;
  let api: Server;
  let shopUrl = '';
  let refusing = false;
  let attributes = '';
  let person = '';
  const pages: WatchedPage[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-widget-'));
    await buildWidget(folder);
    axe = await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  beforeEach(async () => {
    refusing = false;
    attributes = 'inline';
    person = 'ann';
    let apiUrl = '';
    shop = createServer(async (_, response) => {
      const policy = [
        `default-src 'none'; script-src ${apiUrl}; connect-src ${apiUrl}; style-src 'none'; base-uri 'none'`,
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      ].join('; ');
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': policy,
      });
      response.end(`<!doctype html><html lang="en"><head><title>A shop</title></head><body><main>
        <h1>A shop</h1><a href="#before">Before</a>
        <hybrid-chat heading="Ask us" token="${await tokenOf(person)}" ${attributes}></hybrid-chat>
        </main><script src="${apiUrl}/assets/hybrid-chat.js" defer></script></body></html>`);
    });
    shopUrl = await listen(shop);
    const { users, origins } = browserAccessSchema.parse({
      origins: [shopUrl],
      users: { issuer: 'shop', audience: 'assistant', secrets: ['env:SECRET'] },
    });
    fixture = createApiFixture({
      app: {
        apiKeys: ['a-key-of-at-least-16'],
        knownHosts: null,
        origins,
        ownerOf: createCallers({ users, directory: null, secrets: { read: async () => SECRET } }),
        page: serveWidgetFrom(folder),
      },
    });
    const handle = toNodeHandler(createApp(fixture.options).fetch);
    api = createServer((request, response) => {
      if (refusing) request.socket.destroy();
      else void handle(request, response);
    });
    apiUrl = await listen(api);
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) {
      expect(page.defects).toEqual([]);
      await page.context().close();
    }
    for (const server of [shop, api]) {
      server.closeAllConnections();
      server.close();
    }
    await fixture.close();
  });

  async function open(options = {}): Promise<WatchedPage> {
    const page = await openPage(browser, shopUrl, options);
    pages.push(page);
    return page;
  }

  const say = async (page: WatchedPage, text: string) => {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await page.keyboard.press('Enter');
  };
  const log = (page: WatchedPage) => page.getByRole('log', { name: 'Conversation' });

  const colourOf = (page: WatchedPage, part: string) =>
    page.evaluate(
      `getComputedStyle(document.querySelector('hybrid-chat').shadowRoot.querySelector('${part}')).backgroundColor`,
    );

  /** An agent that says what it is told to, word by word. */
  function byHand() {
    const begun = Promise.withResolvers<AgentRun>();
    const ended = Promise.withResolvers<string>();
    fixture.agent = async (run) => {
      begun.resolve(run);
      return says(await ended.promise);
    };
    return {
      say: async (text: string) => (await begun.promise).progress({ type: 'text', text }),
      begun: begun.promise,
      end: (text: string) => ended.resolve(text),
    };
  }

  test('streams, and shows the reply as Markdown that can put nothing else on the page', async () => {
    const page = await open();
    const agent = byHand();
    await say(page, 'hello');
    await agent.say('Look **her');
    await log(page).getByText('Look **her').waitFor();
    await agent.say('e**.');
    await log(page).locator('strong', { hasText: 'here' }).waitFor();
    agent.end(
      '## Done\n\n- one\n- two\n\n<img src=x onerror=alert(1)> [bad](javascript:alert(1)) [good](https://example.com)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```js\nlet x = 1;\n```',
    );
    await log(page).locator('h4', { hasText: 'Done' }).waitFor();
    expect(await log(page).locator('li').allTextContents()).toEqual(['one', 'two']);
    expect(await log(page).locator('img, script').count()).toBe(0);
    expect(await log(page).locator('a').allTextContents()).toEqual(['good']);
    expect(await log(page).locator('td').allTextContents()).toEqual(['1', '2']);
  });

  test('goes on where it was when the line breaks in the middle, and says so meanwhile', async () => {
    const page = await open();
    const agent = byHand();
    await say(page, 'count');
    await agent.say('one ');
    await log(page).getByText('one').waitFor();
    refusing = true;
    api.closeAllConnections();
    await page.getByRole('status').getByText('connection is lost').waitFor();
    await agent.say('two ');
    refusing = false;
    await log(page).getByText('one two').waitFor();
    await expect.poll(() => page.getByRole('status').textContent()).toBe('');
    agent.end('one two three');
    await log(page).getByText('one two three').waitFor();
    expect(fixture.runs).toEqual(['count']);
  });

  test('survives a reload in mid-stream, and a message that was not taken yet is sent once', async () => {
    const page = await open();
    const agent = byHand();
    await say(page, 'slow');
    await agent.say('so far');
    await log(page).getByText('so far').waitFor();
    await page.reload();
    await log(page).getByText('so far').waitFor();
    agent.end('whole');
    await log(page).getByText('whole').waitFor();
    fixture.agent = async (run) => says(`heard ${run.request.text}`);
    refusing = true;
    api.closeAllConnections();
    await say(page, 'kept');
    await page.getByRole('status').getByText('connection is lost').waitFor();
    refusing = false;
    await page.reload();
    await log(page).getByText('heard kept').waitFor();
    expect(fixture.runs).toEqual(['slow', 'kept']);
    expect(await log(page).locator('.mine').allTextContents()).toEqual(['You: slow', 'You: kept']);
  });

  test('another person at the same browser sees nothing of it', async () => {
    attributes = 'inline person="ann"';
    const page = await open();
    await say(page, 'of ann');
    await log(page).getByText('heard of ann').waitFor();
    [person, attributes] = ['bob', 'inline person="bob"'];
    await page.reload();
    await say(page, 'of bob');
    await log(page).getByText('heard of bob').waitFor();
    expect(await log(page).textContent()).not.toContain('ann');
  });

  test('works without a mouse: opened, used, stopped and closed by keys alone', async () => {
    attributes = '';
    const page = await open();
    const agent = byHand();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    expect(await page.getByRole('button', { name: 'Ask us' }).getAttribute('aria-expanded')).toBe('false');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Ask us' }).waitFor();
    await page.keyboard.type('a question');
    await page.keyboard.press('Enter');
    const run = await agent.begun;
    await page.getByRole('button', { name: 'Stop' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expect.poll(() => run.signal.aborted).toBe(true);
    agent.end('');
    await page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'hidden' });
    await page.getByRole('textbox', { name: 'Message' }).focus();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Ask us' }).waitFor();
  });

  test('shows what the agent asks; the decision is a press of a button', async () => {
    const page = await open();
    fixture.agent = asksFor('npm publish');
    await say(page, 'publish it');
    const allow = page.getByRole('button', { name: 'Allow once' });
    await allow.waitFor();
    await page.reload();
    await allow.waitFor();
    fixture.agent = async () => says('published');
    await allow.press('Enter');
    await log(page).getByText('published').waitFor();
  });

  test.each([
    ['light', 'light', ''],
    ['dark', 'dark', ''],
    ['dark by its attribute', 'light', 'theme="dark"'],
  ] as const)('axe finds nothing (%s)', async (name, colorScheme, theme) => {
    attributes = `inline ${theme}`;
    const page = await open({ colorScheme, bypassCSP: true });
    fixture.agent = async () =>
      says('# Title\n\n`code` and a [link](https://example.com)\n\n> quoted\n\n```\ncode\n```');
    await say(page, 'hello');
    await log(page).getByRole('link', { name: 'link' }).waitFor();
    fixture.agent = asksFor('rm -rf build');
    await say(page, 'clean up');
    await page.getByRole('button', { name: 'Allow once' }).waitFor();
    const ground = await colourOf(page, '.panel');
    expect(ground).toBe(name === 'light' ? 'rgb(255, 255, 255)' : 'rgb(22, 24, 29)');
    await page.evaluate(axe);
    const found =
      await page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.html).join(' ')))`);
    expect(found).toEqual([]);
  });

  test('takes the colours of its page', async () => {
    const page = await open({ bypassCSP: true });
    await page.addStyleTag({
      content: 'hybrid-chat { --hybrid-chat-accent: rgb(1, 2, 3); --hybrid-chat-height: 20rem; }',
    });
    expect(await colourOf(page, 'button.main')).toBe('rgb(1, 2, 3)');
    expect((await page.locator('hybrid-chat').boundingBox())?.height).toBe(320);
  });
});
