// Files, schedules, permissions and a turn's past on the page, over the real API: what a person attaches reaches the agent,
// what the agent sends is seen and saved, the working directory is read, and all of it by keyboard, on a phone, in both themes.
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keepForPerson } from '../../src/agent/outgoing-files.ts';
import { createApp } from '../../src/api/app.ts';
import { servePageFrom } from '../../src/api/static.ts';
import { sessionKeyOf } from '../../src/core/ids.ts';
import type { AgentRun, Away } from '../../src/core/ports.ts';
import { type Listening, listen } from '../../src/local/listen.ts';
import { createMemorySchedules } from '../../src/stores/memory/index.ts';
import { scheduleOf } from '../../testing/contracts/schedules.ts';
import { createFilesFixture, type FilesFixture } from '../api/files-fixture.ts';
import { asksFor, says } from '../api/fixture.ts';
import { browserNote, chromiumPath, launchBrowser, openPage, type WatchedPage } from './browser.ts';
import { poorContrast } from './contrast.ts';

const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 780 },
  hasTouch: true,
  isMobile: true,
};
const WEB = fileURLToPath(new URL('../../web', import.meta.url));

/** A picture of one colour. */
function png(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const whole = Buffer.alloc(12 + data.length);
    whole.writeUInt32BE(data.length, 0);
    body.copy(whole, 4);
    whole.writeUInt32BE(crc32(body), 8 + data.length);
    return whole;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const pixels = deflateSync(Buffer.alloc((width * 3 + 1) * height, 90));
  const start = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([start, chunk('IHDR', head), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

const PICTURE = png(64, 40);

async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all).toString();
}

/** Leaves files in its working directory, sends two of them, and says what it was given. */
async function agent(run: AgentRun) {
  const { directory, request, files = [] } = run;
  if (request.text === 'publish') return asksFor('npm publish')(run);
  mkdirSync(join(directory.workspace, 'src'), { recursive: true });
  writeFileSync(
    join(directory.workspace, 'src/main.py'),
    `print("${request.text}")\n<script>alert(1)</script>`,
  );
  writeFileSync(join(directory.workspace, 'chart.png'), PICTURE);
  writeFileSync(join(directory.workspace, 'data.bin'), Buffer.from([0, 255, 254]));
  await keepForPerson(directory, { path: 'chart.png', caption: 'The chart' });
  await keepForPerson(directory, { path: 'data.bin' });
  const given = await Promise.all(
    files.map(
      async ({ name, bytes, read }) => `${name} ${name.endsWith('.txt') ? await textOf(read()) : bytes}`,
    ),
  );
  return {
    ...says(`Given: ${given.join(', ') || 'nothing'}.`),
    sent: [
      { name: 'chart.png', mediaType: 'image/png', bytes: PICTURE.length, caption: 'The chart' },
      { name: 'data.bin', mediaType: 'application/octet-stream', bytes: 3 },
    ],
  };
}

describe.skipIf(!chromiumPath)(`the chat page with files${browserNote}`, () => {
  let browser: Browser;
  let axe: string;
  let fixture: FilesFixture;
  let server: Listening;
  let page: WatchedPage;
  let away: Away | null;

  beforeAll(async () => {
    browser = await launchBrowser();
    axe = await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    fixture = createFilesFixture({ schedules: createMemorySchedules() });
    fixture.agent = agent;
    away = null;
    Object.assign(fixture.options.state, { awayOf: () => away });
    const app = createApp({ ...fixture.options, page: servePageFrom(WEB) });
    server = await listen((request) => app.fetch(request), '127.0.0.1', 0);
  });
  afterEach(async () => {
    const { defects } = page;
    await page.context().close();
    await server.stop();
    await fixture.close();
    expect(defects).toEqual([]);
  });

  const open = async (options: BrowserContextOptions = {}) => {
    page = await openPage(browser, `${server.url}/#/c/trip`, options);
    return page;
  };
  const focusedName = () =>
    page.evaluate(
      'document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent?.trim()',
    );
  const sheet = () => page.locator('#sheet');
  const widthOf = (image: string) => page.evaluate(`document.querySelector('${image}')?.naturalWidth`);
  async function send(text: string): Promise<void> {
    const settled = await page.locator('.turn[data-phase=settled]').count();
    await page.locator('#message').fill(text);
    await page.locator('#send').click();
    await page.locator('.turn[data-phase=settled]').nth(settled).waitFor();
  }
  async function violations(of: Page) {
    await of.evaluate(axe);
    return of.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.html.slice(0, 90)).join(' | ')))`);
  }
  /** As a person's hand would bring it. */
  async function bring(kind: 'drop' | 'paste', name: string, text: string): Promise<void> {
    await page.evaluate(`{
      const data = new DataTransfer();
      data.items.add(new File([${JSON.stringify(text)}], ${JSON.stringify(name)}, { type: 'text/plain' }));
      const target = document.querySelector('#message');
      const how = { bubbles: true, cancelable: true };
      if (${JSON.stringify(kind)} === 'paste') {
        target.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, ...how }));
      } else {
        for (const type of ['dragenter', 'dragover', 'drop']) {
          target.dispatchEvent(new DragEvent(type, { dataTransfer: data, ...how }));
        }
      }
    }`);
  }

  test('files come by choice, drop and paste, stay over a reload, and go with the message', async () => {
    await open();
    await bring('drop', 'dropped.txt', 'one');
    expect(await page.locator('#drop').isHidden()).toBe(true);
    await bring('paste', 'pasted.txt', 'two');
    await page
      .locator('#file-input')
      .setInputFiles({ name: 'chosen.png', mimeType: 'image/png', buffer: PICTURE });
    await page.locator('.attachment[data-state=there]').nth(2).waitFor();
    await page.reload();
    await page.locator('.attachment[data-state=there]').nth(2).waitFor();
    await page.getByRole('button', { name: 'Remove pasted.txt' }).click();
    expect(await focusedName()).toBe('Remove chosen.png');
    // No text is needed.
    await page.locator('#send').click();
    await page.locator('.reply').getByText(`Given: dropped.txt one, chosen.png ${PICTURE.length}.`).waitFor();
    expect(await page.locator('.attachment').count()).toBe(0);
    await page.locator('.came-files .picture-button:not([aria-busy])').waitFor();
    expect(fixture.runs).toHaveLength(1);
  });

  test('a file of a new chat begins it, and one that is too large is never sent', async () => {
    await open();
    await page.getByRole('link', { name: 'New chat', exact: true }).click();
    await bring('drop', 'first.txt', 'new');
    await page.evaluate(`{
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(51 * 1024 * 1024)], 'large.iso'));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }`);
    await page.locator('.attachment').getByText('It has 51 MB; 50 MB are the most.').waitFor();
    expect(await page.locator('#send').isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Remove large.iso' }).click();
    await page.locator('.attachment[data-state=there]').waitFor();
    await page.locator('#send').click();
    await page.locator('.reply').getByText('Given: first.txt new.').waitFor();
    expect(await page.evaluate('location.hash')).toMatch(/^#\/c\/web-/);
  });

  test('pictures are shown and open large; other files are saved as they are', async () => {
    await open();
    await send('draw');
    const picture = page.locator('.sent-files .picture-button:not([aria-busy])');
    await picture.waitFor();
    expect(await widthOf('.sent-files img')).toBe(64);
    await picture.click();
    const large = page.locator('#picture-large');
    await large.waitFor();
    await expect.poll(() => widthOf('#picture-large')).toBe(64);
    await page.keyboard.press('Escape');
    await large.waitFor({ state: 'hidden' });
    const saving = page.waitForEvent('download');
    await page.locator('.sent-files button.file').click();
    const saved = await saving;
    expect(saved.suggestedFilename()).toBe('data.bin');
    expect([...(await readFile(await saved.path()))]).toEqual([0, 255, 254]);
    // They are there on the next visit, too.
    await page.reload();
    await page.locator('.sent-files .picture-button:not([aria-busy])').waitFor();
  });

  test('the working directory opens folder by folder by keyboard; text is text, whatever it says', async () => {
    await open();
    await send('hello');
    await page.locator('#details').focus();
    await page.keyboard.press('Enter');
    const folder = page.getByRole('button', { name: 'src', exact: true });
    await folder.focus();
    await page.keyboard.press('Enter');
    const file = sheet().getByRole('button', { name: /^main\.py/ });
    await file.focus();
    await page.keyboard.press('Enter');
    await page.locator('.file-text').waitFor();
    expect(await page.locator('.file-text').textContent()).toBe('print("hello")\n<script>alert(1)</script>');
    expect(await focusedName()).toBe('Back to all files');
    await page.keyboard.press('Enter');
    expect(await focusedName()).toContain('main.py');
    await sheet()
      .getByRole('button', { name: /^data\.bin/ })
      .click();
    await page.getByText('This is no text.').waitFor();
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save this file' }).click();
    expect((await saving).suggestedFilename()).toBe('data.bin');
    await page.keyboard.press('Escape');
    await page.locator('#sheet').waitFor({ state: 'hidden' });
  });

  test('schedules are run, paused, resumed and cancelled; what was allowed is taken back', async () => {
    const { schedules } = fixture.options;
    const made = scheduleOf(Date.now(), 'trip', 0, '0 9 * * *', 'default');
    const conversation = { ...made.conversation, bot: 'local', chat: 'trip' };
    await schedules?.add({ ...made, conversation, sessionKey: sessionKeyOf(conversation) });
    await open();
    await send('publish');
    await page.getByRole('button', { name: 'Allow for this chat' }).click();
    await page.locator('.questions').waitFor({ state: 'detached' });
    await page.locator('.turn[data-phase=settled]').nth(1).waitFor();
    await page.locator('#details').click();
    await page.locator('#tab-files').focus();
    await page.keyboard.press('ArrowRight');
    for (const [action, next] of [
      ['Pause', 'Resume'],
      ['Resume', 'Pause'],
      ['Run now', 'Run now'],
    ] as const) {
      await page.getByRole('button', { name: `${action}: ` }).click();
      await page
        .getByRole('button', { name: `${next}: ` })
        .and(page.locator(':enabled'))
        .waitFor();
    }
    await page.getByRole('button', { name: 'Cancel: ' }).click();
    await page.getByText('Nothing is scheduled here.').waitFor();
    await page.locator('#tab-schedules').focus();
    await page.keyboard.press('ArrowRight');
    await page.getByText('Exactly this call').waitFor();
    await page.getByRole('button', { name: /^Ask again/ }).click();
    await page.getByText('Nothing is allowed without asking').waitFor();
    await page.keyboard.press('Escape');
    expect(fixture.runs).toContain('say good morning');
  });

  test('any turn can be undone or forked from, and says where its time went', async () => {
    await open();
    for (const text of ['first', 'second', 'third']) await send(text);
    const menus = page.getByRole('button', { name: 'More about this turn' });
    await menus.nth(1).click();
    await page.getByRole('button', { name: 'Where the time went' }).click();
    await page.getByText('The agent at work').waitFor();
    await page.keyboard.press('Escape');
    await menus.nth(1).click();
    await page.getByRole('button', { name: /without the later turns/ }).click();
    await page.waitForURL((url) => /#\/c\/web-/.test(url.hash));
    await page.locator('#details').click();
    await page.getByRole('button', { name: 'src', exact: true }).click();
    await sheet()
      .getByRole('button', { name: /^main\.py/ })
      .click();
    await page.getByText('print("second")').waitFor();
    await page.keyboard.press('Escape');
    await page.goto(`${server.url}/#/c/trip`);
    await menus.nth(1).click();
    await page.getByRole('button', { name: 'Undo this turn and the turn after it' }).click();
    await page
      .locator('.reply')
      .getByText(/Undone: .*third.*second/)
      .waitFor();
    await page.locator('#details').click();
    await page.getByRole('button', { name: 'src', exact: true }).click();
    await sheet()
      .getByRole('button', { name: /^main\.py/ })
      .click();
    await page.getByText('print("first")').waitFor();
  });

  test('a chat that is away says so', async () => {
    await open();
    await page.locator('#message').fill('hello');
    await page.locator('#send').click();
    await page.locator('.turn[data-phase=settled]').waitFor();
    away = { id: 'copy', sinceMs: Date.parse('2026-11-26T10:00:00Z') };
    await page.reload();
    await page.getByText('On somebody’s computer.').waitFor();
    await page.getByRole('button', { name: 'Go on here instead' }).click();
    await page.getByText('/handoff here').first().waitFor();
    expect(await page.locator('#away-banner').isHidden()).toBe(true);
  });

  test.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['a phone', PHONE],
  ] as const)(
    'axe finds nothing, every text can be read, nothing scrolls sideways (%s)',
    async (_, options) => {
      await open(options);
      await bring('drop', 'a-file-with-quite-a-long-name-that-does-not-fit-anywhere-on-a-phone.txt', 'x');
      await page.locator('.attachment[data-state=there]').waitFor();
      await send('look');
      await bring('drop', 'next.txt', 'x');
      await page.locator('.attachment[data-state=there]').waitFor();
      const wideBy = () => page.evaluate('document.scrollingElement.scrollWidth - innerWidth');
      const steps: Record<string, () => Promise<unknown>> = {
        conversation: async () => {},
        menu: () => page.getByRole('button', { name: 'More about this turn' }).click(),
        timeline: () => page.getByRole('button', { name: 'Where the time went' }).click(),
        files: async () => {
          await page.locator('#timeline-close').click();
          await page.locator('#details').click();
          await sheet()
            .getByRole('button', { name: /^data\.bin/ })
            .waitFor();
        },
        file: () =>
          sheet()
            .getByRole('button', { name: /^chart\.png/ })
            .click(),
        schedules: () => page.locator('#tab-schedules').click(),
        allowed: () => page.locator('#tab-allowed').click(),
      };
      for (const [name, step] of Object.entries(steps)) {
        await step();
        await page.locator('[aria-busy=true]').waitFor({ state: 'detached' });
        expect(await violations(page), name).toEqual([]);
        expect((await poorContrast(page, 4.5)).poor, name).toEqual([]);
        expect(await wideBy(), name).toBe(0);
      }
    },
  );
});
